import 'graphiql/setup-workers/vite'
import 'graphiql/style.css'
import './playground.css'

import { GraphiQL, HISTORY_PLUGIN } from 'graphiql'
import { createRoot } from 'react-dom/client'
import { stories } from './examples'
import { People, PersonProvider, usePerson } from './person'
import { EXAMPLES_PLUGIN } from './plugin'

const plugins = [EXAMPLES_PLUGIN, HISTORY_PLUGIN]
const firstTab = [{ query: stories[0].examples[0].query }]

function Playground() {
  const { send } = usePerson()
  return (
    <GraphiQL
      fetcher={send}
      plugins={plugins}
      visiblePlugin={EXAMPLES_PLUGIN}
      defaultTabs={firstTab}
      defaultQuery=""
      defaultEditorToolsVisibility="variables"
      showPersistHeadersSettings={false}
    >
      <GraphiQL.Logo>
        <People />
      </GraphiQL.Logo>
    </GraphiQL>
  )
}

createRoot(document.getElementById('root')!).render(
  <PersonProvider>
    <Playground />
  </PersonProvider>,
)
