import '@mantine/core/styles.css'
import '@mantine/notifications/styles.css'
import './theme/page.css'
import { createRoot } from 'react-dom/client'
import { App } from './app'
import { connection } from './gateway/connection'
import { fetchSignInMethod } from './session/configuration'
import { initTexts } from './texts'

/** Shows the page as soon as the gateway says how people sign in. */
async function start(container: Element) {
  await initTexts()
  for (let pause = 500; ; pause = Math.min(pause * 2, 8_000))
    try {
      const signInMethod = await fetchSignInMethod()
      return createRoot(container).render(<App signInMethod={signInMethod} />)
    } catch {
      await connection.wait(pause)
    }
}

const container = document.getElementById('root')
if (container) void start(container)
