// A real IMAP server on a loopback port over memory stores: what the tests of this package talk to.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { setTimeout } from 'node:timers/promises'
import { join } from 'node:path'
import type { Account, Authenticator, DirectoryEntry, LoginOutcome, SessionCarrier } from '@skein/accounts'
import { createMailboxes } from '@skein/mailboxes'
import type { AccountMailboxes, Mailboxes } from '@skein/mailboxes'
import { silentLogger, systemClock, systemRandom } from '@skein/runtime'
import type { Logger, TlsMaterial } from '@skein/runtime'
import { createMemoryMailboxStore, createMemoryMessageLog, loneAuthenticator, scramSteps } from '@skein/testkit'
import type { MemoryMessageLog, TranscriptContext } from '@skein/testkit'
import { letterNamed } from './letters.ts'
import { createImapServer } from '../src/index.ts'
import type { ImapComponents, ImapLimits, ImapServer } from '../src/index.ts'

export const ACCOUNT_ID = '0123456789abcdef0123456789abcdef'
export const PASSWORD = 'secret'

const account: Account = {
  id: ACCOUNT_ID,
  address: 'aaa@test.com',
  displayName: 'Aaa',
  role: 'user',
  passwordHash: null,
  quotaBytes: 0,
  state: 'active',
  createdMs: 0,
}

const neighbour: Account = { ...account, id: 'b'.repeat(32), address: 'bbb@test.com' }
const administrator: Account = { ...account, id: 'c'.repeat(32), address: 'admin@test.com', role: 'admin' }

function entryOf({ id, address }: { id: string; address: string }, home = 'here'): DirectoryEntry {
  return { address, accountId: id, home, epoch: 1, replicas: [], state: 'confirmed' }
}

const entries: readonly DirectoryEntry[] = [
  ...[account, neighbour, administrator].map((one) => entryOf(one)),
  entryOf({ id: 'f'.repeat(32), address: 'away@test.com' }, 'elsewhere'),
]

const directory: NonNullable<ImapComponents['directory']> = {
  self: 'here',
  lookup: (address) => entries.find((entry) => entry.address === address),
  byAccountId: (id) => entries.find((entry) => entry.accountId === id),
}

/** Outcomes by login name; every other name is refused. */
const outcomes: Readonly<Record<string, LoginOutcome>> = {
  'aaa@test.com': { kind: 'ok', account },
  aaa: { kind: 'ok', account },
  bbb: { kind: 'ok', account: neighbour },
  admin: { kind: 'ok', account: administrator },
  '曹@test.com': { kind: 'ok', account },
  'away@test.com': {
    kind: 'elsewhere',
    account: { id: 'f'.repeat(32), address: 'away@test.com', displayName: '', role: 'user' },
    home: '12D3KooWelsewhere',
    homeName: 'hk.test.com',
  },
  'silent@test.com': { kind: 'unavailable' },
  'busy@test.com': { kind: 'throttled', retryAfterMs: 2500 },
}

const lone = await loneAuthenticator(account, PASSWORD)

export const authenticator: Authenticator = {
  scram: lone.scram,
  login: async ({ name, password }) =>
    (password === PASSWORD && Object.hasOwn(outcomes, name) ? outcomes[name] : undefined) ?? { kind: 'refused' },
}

let material: { key: string; cert: string } | undefined

/** A self-signed certificate, made once a run unless a `fresh` one is wanted. */
export function testTls(options: { fresh?: boolean } = {}): TlsMaterial {
  if (material === undefined || options.fresh === true) {
    const directory = mkdtempSync(join(tmpdir(), 'skein-imap-'))
    const [key, cert] = [join(directory, 'key.pem'), join(directory, 'cert.pem')]
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost']
    const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
    execFileSync('openssl', ['req', '-x509', ...kind, ...subject, '-keyout', key, '-out', cert], { stdio: 'ignore' })
    material = { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') }
    rmSync(directory, { recursive: true })
  }
  const current = material
  return { current: () => current, onChange: () => () => {} }
}

export interface Harness extends AsyncDisposable {
  server: ImapServer
  port: number
  tlsPort: number
  mailboxes: Mailboxes
  log: MemoryMessageLog
  account: AccountMailboxes
  /** Puts a message in, as a delivery does. */
  deliver(
    mailbox: string,
    message: string | Uint8Array,
    flags?: readonly string[],
    internalDateMs?: number,
  ): Promise<number>
}

export interface HarnessOptions {
  /** Takes tokens too. */
  tokens?: boolean
  tls?: TlsMaterial
  limits?: Partial<ImapLimits>
  quotaBytes?: number
  logger?: Logger
  authenticator?: Authenticator
  carrier?: SessionCarrier
}

export async function startHarness(options: HarnessOptions = {}): Promise<Harness> {
  const parts = { clock: systemClock, random: systemRandom, logger: options.logger ?? silentLogger }
  const log = createMemoryMessageLog()
  const mailboxes = createMailboxes({ store: createMemoryMailboxStore(), log, ...parts })
  await mailboxes.createAccount(ACCOUNT_ID, { quotaBytes: options.quotaBytes ?? 10_000_000, epoch: 1 })
  for (const { id } of [neighbour, administrator])
    await mailboxes.createAccount(id, { quotaBytes: 10_000_000, epoch: 1 })
  const open = await mailboxes.open(ACCOUNT_ID)
  const server = createImapServer(
    {
      mailboxes,
      log,
      authenticator: options.authenticator ?? { ...authenticator, ...(options.tokens ? { tokens: lone.tokens } : {}) },
      ...(options.carrier === undefined ? {} : { carrier: options.carrier }),
      directory,
      ...parts,
      tls: options.tls ?? testTls(),
    },
    { version: '1.0', limits: { loginFailureDelayMs: 1, ...options.limits } },
  )
  const { port } = await server.listen({ host: '127.0.0.1', port: 0, mode: 'starttls' })
  const { port: tlsPort } = await server.listen({ host: '127.0.0.1', port: 0, mode: 'implicit' })
  return {
    server,
    port,
    tlsPort,
    mailboxes,
    log,
    account: open,
    async deliver(mailbox, message, flags = [], internalDateMs = Date.UTC(2026, 6, 1, 12)) {
      const record = open.byName(mailbox)
      if (record === undefined) throw new Error(`there is no mailbox ${mailbox}`)
      const blob = await log.append([Buffer.from(message)])
      const [appended] = await open.append(record.id, [{ blob, flags, internalDateMs }])
      if (appended === undefined || appended === 'duplicate') throw new Error('the message was not taken')
      return appended.uid
    },
    async [Symbol.asyncDispose]() {
      await server.close({ drainMs: 100 })
      await open[Symbol.asyncDispose]()
      await mailboxes.close()
    },
  }
}

/** Steps that transcripts may call. */
export const steps = (harness: Harness) => ({
  ...scramSteps(),
  /** `@deliver MAILBOX LETTER [flag…]` */
  async deliver(_context: TranscriptContext, mailbox = 'INBOX', letter = 'plain', ...flags: string[]) {
    await harness.deliver(mailbox, letterNamed(letter), flags)
  },
  /** `@deliver-many MAILBOX COUNT`: subjects `Letter 1` and so on, a day apart from 1 Jan 2026. */
  async 'deliver-many'(_context: TranscriptContext, mailbox = 'INBOX', count = '1') {
    for (let number = 1; number <= Number(count); number++) {
      const letter = letterNamed('plain').toString().replace('A letter', `Letter ${number}`)
      await harness.deliver(mailbox, letter, [], Date.UTC(2026, 0, number, 12))
    }
  },
  /** `@letter MAILBOX Subject: Hi | Date: …`: a letter of these headers; `Arrival: <ISO time>` is its internal date. */
  async letter(_context: TranscriptContext, mailbox = 'INBOX', ...words: string[]) {
    const fields = words.join(' ').split(' | ')
    const arrival = fields.find((field) => field.startsWith('Arrival: '))?.slice(9)
    const headers = fields.filter((field) => field !== '' && !field.startsWith('Arrival: '))
    const text = [...headers, '', 'Hello.', ''].join('\r\n')
    await harness.deliver(mailbox, text, [], arrival === undefined ? undefined : Date.parse(arrival))
  },
  /** `@annotate MAILBOX shared|private NAME VALUE`: as another session does; MAILBOX `server` is the server itself. */
  async annotate(_context: TranscriptContext, mailbox = '', whose = 'shared', name = '', value = '') {
    if (mailbox === 'server' && whose === 'shared') return harness.mailboxes.setServerAnnotations([{ name, value }])
    const id = mailbox === 'server' ? null : (harness.account.byName(mailbox)?.id ?? '')
    await harness.account.setAnnotations(id, [{ shared: whose === 'shared', name, value }])
  },
  /** `@login C` */
  async login(context: TranscriptContext, name = 'C') {
    await converse(context, name, 'login LOGIN aaa secret')
  },
  /** `@select C MAILBOX`: logs in first. */
  async select(context: TranscriptContext, name = 'C', mailbox = 'INBOX') {
    await converse(context, name, 'login LOGIN aaa secret')
    await converse(context, name, `select SELECT ${mailbox}`)
  },
  /** `@connections N`: until that many are open. */
  async connections(_context: TranscriptContext, count = '0') {
    for (let tries = 0; harness.server.connections() !== Number(count); tries++) {
      if (tries > 500) throw new Error(`there are ${harness.server.connections()} connections`)
      await setTimeout(10)
    }
  },
})

async function converse(context: TranscriptContext, name: string, command: string): Promise<void> {
  const reader = await context.connection(name)
  reader.write(Buffer.from(`${command}\r\n`))
  const tag = command.split(' ')[0] as string
  for (let line = await reader.line(); ; line = await reader.line()) {
    if (line.startsWith(`${tag} OK`)) return
    if (line.startsWith(`${tag} `)) throw new Error(line)
  }
}
