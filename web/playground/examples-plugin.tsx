import { type GraphiQLPlugin, useGraphiQL, useGraphiQLActions } from '@graphiql/react'
import { type OperationDefinitionNode, parse } from 'graphql'
import { useState } from 'react'
import type { Ask } from './example-variables'
import { type Example, exampleGroups } from './examples'
import { execute } from './operation'
import { authorization, usePerson } from './person'

function Icon() {
  return (
    <svg viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth="1.5" aria-hidden="true">
      <path d="M4 5.5h16M4 12h16M4 18.5h10" />
    </svg>
  )
}

function Examples() {
  const { person, people, select } = usePerson()
  const { addTab, setOperationFacts } = useGraphiQLActions()
  const queryEditor = useGraphiQL((state) => state.queryEditor)
  const variableEditor = useGraphiQL((state) => state.variableEditor)
  const [opening, setOpening] = useState(false)
  const [opened, setOpened] = useState<Example>()

  async function open(example: Example) {
    setOpening(true)
    try {
      const asker = people.length === 0 ? person : select(example.as)
      const ask: Ask = async <Data,>(query: string) =>
        ((await execute({ query }, authorization(asker))).data ?? {}) as Partial<Data>
      const variables = await example.variables?.(ask)
      if (queryEditor?.getValue().trim()) addTab()
      queryEditor?.setValue(example.query)
      // GraphiQL parses the editor's text after a pause; until then it would send the previous operation.
      const documentAST = parse(example.query)
      const operations = documentAST.definitions.filter(
        (definition): definition is OperationDefinitionNode => definition.kind === 'OperationDefinition',
      )
      setOperationFacts({ documentAST, operations, operationName: operations[0].name?.value })
      variableEditor?.setValue(variables ? JSON.stringify(variables, null, 2) : '')
      setOpened(example)
    } finally {
      setOpening(false)
    }
  }

  return (
    <section className="examples" aria-label="Examples">
      <h2>Examples</h2>
      {exampleGroups.map(({ title, examples }) => (
        <section key={title}>
          <h3>{title}</h3>
          <ul>
            {examples.map((example) => (
              <li key={example.title}>
                <button
                  type="button"
                  disabled={opening || !queryEditor || !variableEditor}
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
