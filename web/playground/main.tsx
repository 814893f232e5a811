import 'graphiql/setup-workers/vite'
import 'graphiql/style.css'
import './playground.css'

import { GraphiQL, HISTORY_PLUGIN } from 'graphiql'
import { createRoot } from 'react-dom/client'
import { exampleGroups } from './examples'
import { EXAMPLES_PLUGIN } from './examples-plugin'
import { PersonProvider, PersonSelect, usePerson } from './person'

const plugins = [EXAMPLES_PLUGIN, HISTORY_PLUGIN]
const defaultTabs = [{ query: exampleGroups[0].examples[0].query }]

function Playground() {
  const { fetcher } = usePerson()
  return (
    <GraphiQL
      fetcher={fetcher}
      plugins={plugins}
      visiblePlugin={EXAMPLES_PLUGIN}
      defaultTabs={defaultTabs}
      defaultQuery=""
      defaultEditorToolsVisibility="variables"
      showPersistHeadersSettings={false}
    >
      <GraphiQL.Logo>
        <PersonSelect />
      </GraphiQL.Logo>
    </GraphiQL>
  )
}

const container = document.getElementById('root')
if (container)
  createRoot(container).render(
    <PersonProvider>
      <Playground />
    </PersonProvider>,
  )
