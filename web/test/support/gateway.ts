import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect } from '@playwright/test'

/** The people of the demo world. */
export const ada = 'ada@uni.example'
export const ed = 'ed@uni.example'
export const vic = 'vic@uni.example'
export const mia = 'mia@uni.example'
export const sam = 'sam@uni.example'

type Mail = { to: string; subject: string; text: string; html: string; link: string }

/** A gateway with the demo world, its database and its data folder. */
export class Gateway {
  private constructor(
    private readonly process: ChildProcess,
    private readonly environment: NodeJS.ProcessEnv,
    private readonly folder: string,
    readonly origin: string,
  ) {}

  static async start(settings: Record<string, string> = {}): Promise<Gateway> {
    const folder = await mkdtemp(join(tmpdir(), 'datahub-web-'))
    await chmod(folder, 0o755) // PostgreSQL runs as another user and has to reach it
    const environment = { ...process.env, DATAHUB_ADDR: '127.0.0.1:0', DATAHUB_DATA_DIR: folder, ...settings }
    const child = spawn(binary(), [], { env: environment })
    const origin = await new Promise<string>((resolve, reject) => {
      let output = ''
      const onData = (data: Buffer) => {
        output += data
        const url = /http:\/\/127\.0\.0\.1:\d+/.exec(output)
        if (url) resolve(url[0])
      }
      child.stdout.on('data', onData)
      child.stderr.on('data', onData)
      child.once('error', reject)
      child.once('exit', (code) => reject(new Error(`the gateway ended with ${code}: ${output}`)))
    })
    return new Gateway(child, environment, folder, origin)
  }

  async stop() {
    const exit = this.process.exitCode === null ? once(this.process, 'exit') : undefined
    this.process.kill('SIGTERM')
    await exit
    await rm(this.folder, { recursive: true })
  }

  /** Returns a token for an address, with or without an account. */
  async token(email: string): Promise<string> {
    const { stdout } = await promisify(execFile)(binary(), ['token', email], { env: this.environment })
    return stdout.trim()
  }

  /** Sends a GraphQL operation as the person. Fails if the answer has errors. */
  // biome-ignore lint/suspicious/noExplicitAny: the type depends on the query
  async query(email: string, query: string): Promise<any> {
    const response = await fetch(`${this.origin}/graphql`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${await this.token(email)}` },
      body: JSON.stringify({ query }),
    })
    const { data, errors } = await response.json()
    expect(errors).toBeUndefined()
    return data
  }

  /** Returns the id of an instance of Econometrics 2026. */
  async instanceId(name: string): Promise<string> {
    const { viewer } = await this.query(ada, '{ viewer { spaces { nodes { instances { nodes { id name } } } } } }')
    return viewer.spaces.nodes[0].instances.nodes.find((instance: { name: string }) => instance.name === name).id
  }

  /** Returns the mails to an address, newest first. */
  async mails(to: string): Promise<Mail[]> {
    const mails: Mail[] = await (await fetch(`${this.origin}/mailbox.json`)).json()
    return mails.filter((mail) => String(mail.to).includes(to))
  }

  /**
   * Returns the mail to an address that contains the text. It polls: mail is
   * sent in the background, and the mailbox has no event for it.
   */
  async mail(to: string, text = ''): Promise<Mail> {
    const find = async () => (await this.mails(to)).find((mail) => mail.text.includes(text))
    await expect.poll(find, { message: `mail to ${to}`, intervals: [50] }).toBeDefined()
    return (await find()) as Mail
  }

  /** Returns where the link in a mail leads, as a path below the page. */
  async mailLink(to: string, text?: string): Promise<string> {
    const { pathname, hash } = new URL((await this.mail(to, text)).link)
    return (pathname + hash).replace('/app/', '')
  }

  /** Returns where the link "Never invite me again" in a mail leads, as a path below the page. */
  async refusalLink(to: string, text?: string): Promise<string> {
    const { text: mail } = await this.mail(to, text)
    return /\/app\/(invitation\?refuse#\S+)/.exec(mail)?.[1] ?? ''
  }
}

function binary(): string {
  const path = process.env.DATAHUB_GATEWAY_BINARY
  if (!path) throw new Error('DATAHUB_GATEWAY_BINARY is not set')
  return path
}
