import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

// The gateway behind the development server.
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
    cssTarget: ['chrome125', 'firefox125', 'safari17.5'], // they support light-dark()
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 3000, // kB: the playground's editor is large
    rolldownOptions: {
      input: ['index.html', 'playground/index.html'],
      // Directives for React's compiler are left over in GraphiQL, which is already compiled.
      onLog: (level, log, handle) => log.code === 'MODULE_LEVEL_DIRECTIVE' || handle(level, log),
    },
  },
})
