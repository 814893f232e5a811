import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

// Where the gateway listens that the page asks while it is developed.
const gateway = process.env.DATAHUB_GATEWAY ?? 'http://127.0.0.1:8080'

const proxy = {
  '/graphql': { target: gateway, ws: true },
  '/app/configuration.json': gateway,
  '/mailbox.json': gateway,
}

export default defineConfig({
  base: '/app/',
  plugins: [react()],
  server: { proxy },
  build: {
    target: 'es2023',
    cssTarget: ['chrome125', 'firefox125', 'safari17.5'], // light-dark() as it is written
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 3000, // kB, of which the playground's editor has most
    rolldownOptions: {
      input: ['index.html', 'playground/index.html'],
      // GraphiQL is compiled, and its directives to React's compiler say nothing any more.
      onLog: (level, log, handle) => log.code === 'MODULE_LEVEL_DIRECTIVE' || handle(level, log),
    },
  },
})
