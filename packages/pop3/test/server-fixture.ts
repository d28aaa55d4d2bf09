// A running POP3 server over memory stores, for tests.
import { readFileSync } from 'node:fs'
import type { Authenticator, LoginOutcome, SessionCarrier } from '@skein/accounts'
import { type AccountMailboxes, type Mailboxes, createMailboxes } from '@skein/mailboxes'
import { type Logger, type TlsMaterial, silentLogger, systemClock, systemRandom } from '@skein/runtime'
import { createMemoryMailboxStore, createMemoryMessageLog, loneAuthenticator } from '@skein/testkit'
import type { MemoryMessageLog } from '@skein/testkit'
import { type Pop3Mode, type Pop3Server, type Pop3Settings, createPop3Server } from '../src/server.ts'

const pem = (name: string) => readFileSync(new URL(name, import.meta.url), 'utf8')

export const testTls: TlsMaterial = {
  current: () => ({ key: pem('tls-key.pem'), cert: pem('tls-cert.pem') }),
  onChange: () => () => {},
}

export const accountId = 'a'.repeat(32)
export const password = 'correct horse'

/** Knows aaa@test.example; names that begin with throttled, away, remote and broken fare so. */
const lone = await loneAuthenticator({ id: accountId, address: 'aaa@test.example' }, password)

const authenticator: Authenticator = {
  scram: lone.scram,
  async login({ name, password: given }): Promise<LoginOutcome> {
    if (name.startsWith('throttled')) return { kind: 'throttled', retryAfterMs: 2_100 }
    if (name.startsWith('away')) return { kind: 'unavailable' }
    if (name.startsWith('broken')) throw new Error('store on fire')
    const account = { id: accountId, address: 'aaa@test.example', displayName: '', role: 'user' as const }
    if (name.startsWith('remote')) return { kind: 'elsewhere', account, home: '12D3home', homeName: 'hk.test.com' }
    if (name !== 'aaa@test.example' || given !== password) return { kind: 'refused' }
    return { kind: 'ok', account: { ...account, passwordHash: null, quotaBytes: 1e9, state: 'active', createdMs: 0 } }
  },
}

export interface TestServer extends AsyncDisposable {
  server: Pop3Server
  port: number
  mailboxes: Mailboxes
  log: MemoryMessageLog
  /** The account as another front door sees it. */
  account: AccountMailboxes
  deliver(bytes: string | Buffer): Promise<void>
  /** What lies in INBOX now. */
  inbox(): Promise<string[]>
}

export async function startServer(
  messages: readonly (string | Buffer)[] = [],
  settings: Partial<Pop3Settings> = {},
  options: { mode?: Pop3Mode; tls?: TlsMaterial; host?: string; logger?: Logger; carrier?: SessionCarrier } = {},
): Promise<TestServer> {
  const { mode = 'starttls', tls = testTls, host = '127.0.0.1', logger = silentLogger } = options
  const log = createMemoryMessageLog()
  const components = { clock: systemClock, random: systemRandom, logger }
  const mailboxes = createMailboxes({ store: createMemoryMailboxStore(), log, ...components })
  await mailboxes.createAccount(accountId, { quotaBytes: 1e9, epoch: 1 })
  const account = await mailboxes.open(accountId)
  const inboxId = account.byName('INBOX')?.id ?? ''
  async function deliver(bytes: string | Buffer): Promise<void> {
    const blob = await log.append([Buffer.from(bytes as string, 'latin1')])
    await account.append(inboxId, [{ blob, flags: [], internalDateMs: 0 }])
  }
  for (const message of messages) await deliver(message)
  const server = createPop3Server(
    { mailboxes, authenticator, tls, ...components, ...(options.carrier ? { carrier: options.carrier } : {}) },
    { hostName: 'pop.test', asciiHeaders: true, ...settings },
  )
  const { port } = await server.listen({ host, port: 0, mode })
  return {
    server,
    port,
    mailboxes,
    log,
    account,
    deliver,
    async inbox() {
      const records = await account.messages(inboxId)
      return Promise.all(records.map(async (record) => Buffer.from(await account.body(record)).toString('latin1')))
    },
    async [Symbol.asyncDispose]() {
      await server.close({ drainMs: 0 })
      await account[Symbol.asyncDispose]()
      await mailboxes.close()
    },
  }
}
