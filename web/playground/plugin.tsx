import { type GraphiQLPlugin, useGraphiQL, useGraphiQLActions } from '@graphiql/react'
import { type OperationDefinitionNode, parse } from 'graphql'
import { useState } from 'react'
import { type Ask, type Example, stories } from './examples'
import { ask } from './operation'
import { authorization, usePerson } from './person'

function Icon() {
  return (
    <svg viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth="1.5" aria-hidden="true">
      <path d="M4 5.5h16M4 12h16M4 18.5h10" />
    </svg>
  )
}

function Examples() {
  const { person, people, choose } = usePerson()
  const { addTab, setOperationFacts } = useGraphiQLActions()
  const query = useGraphiQL((state) => state.queryEditor)
  const variables = useGraphiQL((state) => state.variableEditor)
  const [opening, setOpening] = useState(false)
  const [opened, setOpened] = useState<Example>()

  async function open(example: Example) {
    setOpening(true)
    try {
      const asker = example.as === undefined || people.length === 0 ? person : choose(example.as)
      const asking: Ask = async (query) => (await ask({ query }, authorization(asker))).data ?? {}
      const values = await example.variables?.(asking)
      if (query?.getValue().trim()) addTab()
      query?.setValue(example.query)
      // GraphiQL would read the editor a little later, and send the operation that was there before.
      const documentAST = parse(example.query)
      const operations = documentAST.definitions.filter(
        (d): d is OperationDefinitionNode => d.kind === 'OperationDefinition',
      )
      setOperationFacts({ documentAST, operations, operationName: operations[0].name?.value })
      variables?.setValue(values ? JSON.stringify(values, null, 2) : '')
      setOpened(example)
    } finally {
      setOpening(false)
    }
  }

  return (
    <section className="examples" aria-label="Examples">
      <h2>Examples</h2>
      {stories.map(({ title, examples }) => (
        <section key={title}>
          <h3>{title}</h3>
          <ul>
            {examples.map((example) => (
              <li key={example.title}>
                <button
                  type="button"
                  disabled={opening || !query || !variables}
                  aria-current={example === opened}
                  onClick={() => open(example)}
                >
                  {example.title}
                </button>
                {example.refused && <code>{example.refused}</code>}
              </li>
            ))}
          </ul>
        </section>
      ))}
    </section>
  )
}

export const EXAMPLES_PLUGIN: GraphiQLPlugin = { title: 'Examples', icon: Icon, content: Examples }
