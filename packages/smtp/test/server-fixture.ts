// A running server for tests, and a client that speaks bytes.
import { readFileSync } from 'node:fs'
import { type Socket, connect } from 'node:net'
import { type TLSSocket, connect as connectTls } from 'node:tls'
import type { Authenticator, Login, LoginOutcome } from '@skein/accounts'
import type { Doorkeeper } from '@skein/filtering'
import { type Logger, type TlsMaterial, silentLogger, systemClock, systemRandom } from '@skein/runtime'
import { loneAuthenticator } from '@skein/testkit'
import type { SmtpRole } from '../src/house.ts'
import { type SmtpServer, type SmtpSettings, createSmtpServer } from '../src/server.ts'
import { type MemoryIntake, createMemoryIntake } from './memory-intake.ts'

const pem = (name: string) => readFileSync(new URL(name, import.meta.url), 'utf8')

export const testTls: TlsMaterial = {
  current: () => ({ key: pem('tls-key.pem'), cert: pem('tls-cert.pem') }),
  onChange: () => () => {},
}

export const account = { id: 'a'.repeat(32), address: 'aaa@test.example' }
export const password = 'correct horse'

const lone = await loneAuthenticator(account, password)

/** Knows one user; a name `throttled…` is throttled, `away…` is unavailable, `broken…` throws. */
export function createTestAuthenticator(): Authenticator & { logins: Login[] } {
  const logins: Login[] = []
  return {
    logins,
    scram: lone.scram,
    async login(login): Promise<LoginOutcome> {
      logins.push(login)
      if (login.name.startsWith('throttled')) return { kind: 'throttled', retryAfterMs: 3_500 }
      if (login.name.startsWith('away')) return { kind: 'unavailable' }
      if (login.name.startsWith('broken')) throw new Error('store on fire')
      if (login.name === 'remote@test.example' && login.password === password) {
        const remote = { id: 'b'.repeat(32), address: login.name, displayName: '', role: 'user' as const }
        return { kind: 'elsewhere', account: remote, home: 'node', homeName: 'node' }
      }
      if (login.name !== account.address || login.password !== password) return { kind: 'refused' }
      const full = { ...account, displayName: '', role: 'user' as const, passwordHash: null, quotaBytes: 1 }
      return { kind: 'ok', account: { ...full, state: 'active', createdMs: 0 } }
    },
  }
}

export interface TestServer extends AsyncDisposable {
  server: SmtpServer
  intake: MemoryIntake
  authenticator: ReturnType<typeof createTestAuthenticator>
  port: number
  client(options?: { tls?: boolean }): Promise<WireClient>
}

export async function startServer(
  role: SmtpRole = 'mx',
  settings: Partial<SmtpSettings> = {},
  components: { tls?: TlsMaterial; logger?: Logger; host?: string; port?: number; doorkeeper?: Doorkeeper } = {},
): Promise<TestServer> {
  const intake = createMemoryIntake()
  const authenticator = createTestAuthenticator()
  const { tls = testTls, logger = silentLogger, host = '127.0.0.1', doorkeeper } = components
  const server = createSmtpServer(
    { intake, authenticator, clock: systemClock, random: systemRandom, logger, tls, doorkeeper },
    { hostName: 'mx.test', ...settings },
  )
  const { port } = await server.listen({ host, port: components.port ?? 0, role })
  return {
    server,
    intake,
    authenticator,
    port,
    client: async ({ tls: withTls = role === 'submissions' } = {}) => WireClient.connect(port, host, withTls),
    [Symbol.asyncDispose]: () => server.close({ drainMs: 0 }),
  }
}

export class WireClient {
  #socket: Socket | TLSSocket
  #text = ''
  #isClosed = false
  #wake: () => void = () => {}

  static async connect(port: number, host = '127.0.0.1', withTls = false): Promise<WireClient> {
    const socket = withTls ? connectTls({ port, host, rejectUnauthorized: false }) : connect({ port, host })
    await new Promise<void>((resolve, reject) => {
      socket.once(withTls ? 'secureConnect' : 'connect', resolve)
      socket.once('error', reject)
    })
    return new WireClient(socket)
  }

  constructor(socket: Socket | TLSSocket) {
    this.#socket = socket
    this.#listen()
  }

  #listen(): void {
    this.#socket.setNoDelay(true)
    this.#socket.on('data', (chunk: Buffer) => {
      this.#text += chunk.toString('latin1')
      this.#wake()
    })
    this.#socket.on('error', () => {})
    this.#socket.on('close', () => {
      this.#isClosed = true
      this.#wake()
    })
  }

  get socket(): Socket | TLSSocket {
    return this.#socket
  }

  write(data: string | Buffer): void {
    this.#socket.write(typeof data === 'string' ? Buffer.from(data, 'utf8') : data)
  }

  end(data: string | Buffer = ''): void {
    this.#socket.end(data)
  }

  /** Everything received so far that `reply` has not taken. */
  get unread(): string {
    return this.#text
  }

  /** The next whole reply, its lines joined by LF; '' when the connection ended before. */
  async reply(deadlineMs = 10_000): Promise<string> {
    const match = await this.#until(
      () => /^(?:\d{3}-[^\r\n]*\r\n)*\d{3}(?: [^\r\n]*)?\r\n/.exec(this.#text),
      deadlineMs,
    )
    if (!match) return ''
    this.#text = this.#text.slice(match[0].length)
    return match[0].trimEnd().replaceAll('\r\n', '\n')
  }

  async replies(count: number): Promise<string[]> {
    const all: string[] = []
    for (let i = 0; i < count; i++) all.push(await this.reply())
    return all
  }

  async command(line: string): Promise<string> {
    this.write(`${line}\r\n`)
    return this.reply()
  }

  /** Resolves when the server has closed the connection. */
  async closed(deadlineMs = 10_000): Promise<void> {
    await this.#until(() => null, deadlineMs)
  }

  async #until<Found>(look: () => Found | null, deadlineMs: number): Promise<Found | null> {
    const timer = setTimeout(() => this.#wake(), deadlineMs)
    const start = performance.now()
    try {
      for (;;) {
        const found = look()
        if (found) return found
        if (this.#isClosed) return null
        if (performance.now() - start >= deadlineMs) {
          throw new Error(`nothing came in ${deadlineMs} ms; unread: ${JSON.stringify(this.#text)}`)
        }
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
      }
    } finally {
      clearTimeout(timer)
    }
  }

  async startTls(): Promise<string> {
    const answer = await this.command('STARTTLS')
    if (!answer.startsWith('220')) return answer
    this.#socket.removeAllListeners('data')
    this.#socket.removeAllListeners('close')
    const secure = connectTls({ socket: this.#socket, rejectUnauthorized: false })
    await new Promise<void>((resolve, reject) => {
      secure.once('secureConnect', resolve)
      secure.once('error', reject)
    })
    this.#socket = secure
    this.#listen()
    return answer
  }

  destroy(): void {
    this.#socket.destroy()
  }
}
