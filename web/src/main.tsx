import '@mantine/core/styles.css'
import '@mantine/notifications/styles.css'
import './look/page.css'
import { createRoot } from 'react-dom/client'
import { App } from './app'
import { line } from './gateway/line'
import { configuration } from './session/configuration'
import { speak } from './texts'

async function start() {
  await speak()
  for (let pause = 500; ; pause = Math.min(pause * 2, 8_000))
    try {
      return createRoot(document.getElementById('root')!).render(<App signIn={await configuration()} />)
    } catch {
      await line.wait(pause)
    }
}

void start()
