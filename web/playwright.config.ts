import { defineConfig } from '@playwright/test'

export default defineConfig({
  testDir: 'test',
  outputDir: 'test/results',
  globalSetup: './test/support/build.ts',
  fullyParallel: true,
  workers: 2,
  forbidOnly: true,
  reporter: 'list',
  // Far more than the tests need: a busy machine must not fail them. Milliseconds.
  timeout: 180_000,
  expect: { timeout: 60_000 },
  use: {
    actionTimeout: 60_000,
    navigationTimeout: 60_000,
    locale: 'en-GB',
    viewport: { width: 1100, height: 820 },
    serviceWorkers: 'block',
    contextOptions: { reducedMotion: 'reduce' },
    screenshot: 'only-on-failure',
    launchOptions: {
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      args: ['--disable-gpu', '--disable-quic', '--disable-sync'],
    },
  },
})
