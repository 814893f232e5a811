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
import { ask, type Headers, isSubscription, type Operation, watch } from './operation'

/** Somebody of the demo world, with a token. */
type Person = { name: string; email: string; description: string; token: string }

type Fetcher = ComponentProps<typeof GraphiQL>['fetcher']

type Choice = {
  people: Person[]
  /** As whom operations are sent; undefined: as nobody, or as whom the headers say. */
  person?: Person
  /** Chooses a person by the address; '' is nobody. */
  choose: (email: string) => Person | undefined
  send: Fetcher
}

const PersonContext = createContext<Choice | undefined>(undefined)

export function usePerson(): Choice {
  const choice = useContext(PersonContext)
  if (!choice) throw new Error('usePerson outside of PersonProvider')
  return choice
}

/** The people as whom one can ask, in development; nobody elsewhere. */
async function readPeople(): Promise<Person[]> {
  const response = await fetch(`${import.meta.env.BASE_URL}configuration.json`)
  const { signIn } = (await response.json()) as { signIn?: { people?: Person[] } }
  return signIn?.people ?? []
}

export const authorization = (person?: Person): Headers => (person ? { Authorization: `Bearer ${person.token}` } : {})

/** The headers of the editor go before the person's. */
function headersOf(person: Person | undefined, typed: Headers = {}): Headers {
  const said = Object.keys(typed).some((name) => name.toLowerCase() === 'authorization')
  return said ? typed : { ...authorization(person), ...typed }
}

export function PersonProvider({ children }: { children: ReactNode }) {
  const [people, setPeople] = useState<Person[]>()
  const [email, setEmail] = useState('')
  const person = people?.find((p) => p.email === email)
  const present = useRef(person)
  present.current = person

  useEffect(() => {
    readPeople()
      .catch(() => [])
      .then((people) => {
        setPeople(people)
        setEmail(people[0]?.email ?? '')
      })
  }, [])

  // The same for everybody: GraphiQL reads the schema again for another one.
  const send = useMemo<Fetcher>(
    () => (operation, options) => {
      const headers = headersOf(present.current, options?.headers)
      return isSubscription(operation as Operation)
        ? watch(operation as Operation, headers)
        : ask(operation as Operation, headers)
    },
    [],
  )

  if (!people) return null
  const choose = (email: string) => {
    setEmail(email)
    return people.find((p) => p.email === email)
  }
  return <PersonContext.Provider value={{ people, person, choose, send }}>{children}</PersonContext.Provider>
}

/** Chooses as whom operations are sent. */
export function People() {
  const { people, person, choose } = usePerson()
  if (people.length === 0)
    return <span className="person">Your token goes into the headers: {'{"Authorization": "Bearer …"}'}</span>
  return (
    <label className="person">
      Ask as
      <select value={person?.email ?? ''} onChange={(event) => choose(event.target.value)}>
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
