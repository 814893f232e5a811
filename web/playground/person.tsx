import type { GraphiQL } from 'graphiql'
import {
  type ComponentProps,
  createContext,
  type ReactNode,
  useContext,
  useEffect,
  useMemo,
  useRef,
  useState,
} from 'react'
import { execute, type Headers, isSubscription, type Operation, subscribe } from './operation'

/** A person of the demo world, with a token. */
type Person = { name: string; email: string; description: string; token: string }

type Fetcher = ComponentProps<typeof GraphiQL>['fetcher']

type PersonContextValue = {
  people: Person[]
  /** The person who sends the operations; undefined for nobody. */
  person?: Person
  /** Selects a person by their address; '' selects nobody. Returns the person. */
  select: (email: string) => Person | undefined
  fetcher: Fetcher
}

const PersonContext = createContext<PersonContextValue | undefined>(undefined)

export function usePerson(): PersonContextValue {
  const value = useContext(PersonContext)
  if (!value) throw new Error('usePerson outside of PersonProvider')
  return value
}

/** Resolves to the people of the demo world. Outside development there are none. */
async function fetchPeople(): Promise<Person[]> {
  const response = await fetch(`${import.meta.env.BASE_URL}configuration.json`)
  const { signIn } = (await response.json()) as { signIn?: { people?: Person[] } }
  return signIn?.people ?? []
}

export const authorization = (person?: Person): Headers => (person ? { Authorization: `Bearer ${person.token}` } : {})

/** An Authorization header in GraphiQL's headers editor takes precedence over the selected person. */
function requestHeaders(person: Person | undefined, edited: Headers = {}): Headers {
  const authorized = Object.keys(edited).some((name) => name.toLowerCase() === 'authorization')
  return authorized ? edited : { ...authorization(person), ...edited }
}

export function PersonProvider({ children }: { children: ReactNode }) {
  const [people, setPeople] = useState<Person[]>()
  const [email, setEmail] = useState('')
  const person = people?.find((each) => each.email === email)
  const personRef = useRef(person)
  personRef.current = person

  useEffect(() => {
    fetchPeople()
      .catch(() => [])
      .then((people) => {
        setPeople(people)
        setEmail(people[0]?.email ?? '')
      })
  }, [])

  // One function for all people: GraphiQL fetches the schema again when its fetcher changes.
  const fetcher = useMemo<Fetcher>(
    () => (parameters, options) => {
      const operation = parameters as Operation
      const headers = requestHeaders(personRef.current, options?.headers)
      return isSubscription(operation) ? subscribe(operation, headers) : execute(operation, headers)
    },
    [],
  )

  if (!people) return null
  const select = (email: string) => {
    setEmail(email)
    return people.find((each) => each.email === email)
  }
  return <PersonContext.Provider value={{ people, person, select, fetcher }}>{children}</PersonContext.Provider>
}

/** Selects the person who sends the operations. */
export function PersonSelect() {
  const { people, person, select } = usePerson()
  if (people.length === 0)
    return <span className="person">Add your token to the headers: {'{"Authorization": "Bearer …"}'}</span>
  return (
    <label className="person">
      Send as
      <select value={person?.email ?? ''} onChange={(event) => select(event.target.value)}>
        {people.map(({ name, email, description }) => (
          <option key={email} value={email}>
            {name}, {description}
          </option>
        ))}
        <option value="">nobody</option>
      </select>
    </label>
  )
}
