import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

/** Builds the gateway once for all workers, unless DATAHUB_GATEWAY_BINARY names one. Returns the cleanup. */
export default async function build() {
  if (process.env.DATAHUB_GATEWAY_BINARY) return
  const folder = await mkdtemp(join(tmpdir(), 'datahub-web-build-'))
  const binary = join(folder, 'datahub-gateway')
  await promisify(execFile)('go', ['build', '-o', binary, '.'], { cwd: join(import.meta.dirname, '../../..') })
  process.env.DATAHUB_GATEWAY_BINARY = binary
  return () => rm(folder, { recursive: true })
}
