// Listens, puts TLS over sockets, and bounds how many connections there are.
import { createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import type { X509Certificate } from 'node:crypto'
import type { Duplex } from 'node:stream'
import { createSecureContext, TLSSocket } from 'node:tls'
import type { SecureContext } from 'node:tls'
import { readAuthorities } from '@skein/accounts'
import type { Authenticator, CarriedSessionTaker, Directory, SessionCarrier } from '@skein/accounts'
import type { Mailboxes, MessageLog, TextIndex } from '@skein/mailboxes'
import { ConnectionCounter, SkeinError, sleep } from '@skein/runtime'
import type { Clock, Logger, Random, Splice, TlsMaterial } from '@skein/runtime'
import { AnswerCache } from './fetch/answer-cache.ts'
import { Connection } from './connection.ts'
import type { ConnectionParts, Opening } from './connection.ts'
import { imapLimits } from './limits.ts'
import type { ImapLimits } from './limits.ts'
import type { OpenAccount } from './session.ts'
import { WordCache } from './sort/message-words.ts'
import type { StreamFacts } from './transport.ts'

export interface ImapComponents {
  mailboxes: Mailboxes
  log: MessageLog
  authenticator: Authenticator
  /** Takes sessions of people whose home is another node there. */
  carrier?: SessionCarrier
  /** Leads from addresses to accounts; without it nobody shares anything. */
  directory?: Pick<Directory, 'self' | 'lookup' | 'byAccountId'>
  clock: Clock
  random: Random
  logger: Logger
  tls: TlsMaterial
  /** Makes searches for text quick; without it every message is looked at. */
  textIndex?: TextIndex
}

export interface ImapSettings {
  /** What ID answers (RFC 2971). */
  version?: string
  limits?: Partial<ImapLimits>
  /** Whether a connection may go over to another account (RFC 8437). Default: it may. */
  unauthenticate?: boolean
}

export interface ListenOptions {
  host: string
  port: number
  /** `starttls`: port 143; `implicit`: TLS from the first byte, port 993 (RFC 8314). */
  mode: 'starttls' | 'implicit'
}

export interface ImapServer {
  /** May be called several times. @returns the port in use, where 0 was asked for. */
  listen(options: ListenOptions): Promise<{ port: number }>
  /**
   * Serves a client that logged in at another node: from the answer to its login on, without a greeting.
   * @throws SkeinError `too-many-connections` (temporary), `bad-session-header`, or why the account can't be opened
   */
  takeSession: CarriedSessionTaker
  connections(): number
  /** Says BYE to the sessions of one account: it may not go on. */
  dismiss(address: string): void
  /** Says BYE to everyone; what is running may go on for `drainMs`, then it is cut off. */
  close(options: { drainMs: number }): Promise<void>
}

export function createImapServer(components: ImapComponents, settings: ImapSettings = {}): ImapServer {
  const limits: ImapLimits = { ...imapLimits, ...settings.limits }
  const { tls, clock, logger } = components
  const listeners = new Set<Server>()
  const connections = new Set<Connection>()
  /** Sessions that another node serves. */
  const carried = new Set<Splice>()
  const sockets = new Set<Socket>()
  const counter = new ConnectionCounter(limits.connectionsMax, limits.connectionsPerAddressMax, () => false)
  let security = securityOf(tls)
  let closing = false
  const forgetTls = tls.onChange(() => {
    security = securityOf(tls)
  })
  const parts: ConnectionParts = {
    services: components,
    limits,
    answerCache: new AnswerCache(limits.answerCacheBytesMax),
    wordCache: new WordCache(limits.wordCacheBytesMax),
    product: { name: 'Skein', version: settings.version ?? '0' },
    unauthenticate: settings.unauthenticate ?? true,
    secureStream: (stream) => secureStream(stream, security),
    clientAuthorities: () => security.clientAuthorities,
  }

  /** Counts the connection in, or says what stands in its way. */
  function obstacle(address: string): string | undefined {
    if (closing) return 'The server is stopping'
    switch (counter.enter(address)) {
      case 'too-many':
        return 'Too many connections; try again later'
      case 'too-many-from-address':
        return 'Too many connections from your address'
      default:
        return undefined
    }
  }

  async function accept(socket: Socket, mode: ListenOptions['mode']): Promise<void> {
    const address = socket.remoteAddress
    socket.on('error', () => {})
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    if (address === undefined) return void socket.destroy()
    const reason = obstacle(address)
    if (reason !== undefined) {
      // Under implicit TLS a handshake for everyone too many would be the costliest part: they are only closed.
      if (mode === 'implicit') socket.destroy()
      else socket.end(`* BYE [LIMIT] ${reason}\r\n`, () => socket.destroy())
      return
    }
    socket.setNoDelay(true)
    try {
      await serve(socket, { remoteAddress: address, secure: false }, { kind: mode })
    } finally {
      counter.leave(address)
    }
  }

  async function serve(stream: Duplex, facts: StreamFacts, opening: Opening): Promise<void> {
    const connection = new Connection(stream, facts, parts)
    connections.add(connection)
    const way = await connection.serve(opening)
    connections.delete(connection)
    if (way === undefined) return
    carried.add(way)
    if (closing) way.leave(stopping)
    await way.done
    carried.delete(way)
  }

  return {
    async listen({ host, port, mode }) {
      // Commands that were sent before a client closed its half are answered: `printf … | nc -N`.
      const server = createServer({ pauseOnConnect: false, allowHalfOpen: true }, (socket) => {
        accept(socket, mode).catch((error: unknown) => logger.error({ error }, 'an IMAP connection failed'))
      })
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject)
        server.listen({ host, port }, () => {
          server.off('error', reject)
          server.on('error', (error) => logger.error({ error }, 'an IMAP listener failed'))
          resolve()
        })
      })
      listeners.add(server)
      return { port: (server.address() as AddressInfo).port }
    },

    async takeSession({ remoteAddress, secure, opening }, { id, address }) {
      if (!/^[!#$&',-[\]-z|}~]{1,1000}$/.test(opening)) {
        throw new SkeinError('bad-session-header', 'refused', 'the tag of the login is malformed')
      }
      const reason = obstacle(remoteAddress)
      if (reason !== undefined) throw new SkeinError('too-many-connections', 'temporary', reason)
      const leave = () => counter.leave(remoteAddress)
      let account: OpenAccount
      try {
        account = { mailboxes: await components.mailboxes.open(id), address }
      } catch (error) {
        leave()
        throw error
      }
      return (stream) => {
        if (stream.destroyed) {
          leave()
          account.mailboxes[Symbol.asyncDispose]().then(undefined, (error: unknown) => {
            logger.error({ error }, 'an IMAP session could not be put away')
          })
          return
        }
        serve(stream, { remoteAddress, secure }, { kind: 'authenticated', account, tag: opening })
          .finally(leave)
          .catch((error: unknown) => logger.error({ error }, 'an IMAP connection failed'))
      }
    },

    connections: () => connections.size + carried.size,

    dismiss(address) {
      for (const connection of connections) {
        if (connection.accountAddress === address) connection.leave('This account was changed by an administrator')
      }
    },

    async close({ drainMs }) {
      closing = true
      forgetTls()
      const closed = [...listeners].map((server) => new Promise<void>((resolve) => server.close(() => resolve())))
      for (const connection of connections) connection.leave('The server is stopping')
      for (const way of carried) way.leave(stopping)
      await waitUntilEmpty([connections, carried], clock, drainMs)
      for (const connection of connections) connection.destroy()
      for (const way of carried) way.destroy()
      // Clients may read their BYE before the last sockets are taken away.
      await waitUntilEmpty([sockets], clock, FAREWELL_MS)
      for (const socket of sockets) socket.destroy()
      await Promise.all(closed)
    },
  }
}

const stopping = '* BYE The server is stopping\r\n'
const POLL_MS = 5
const FAREWELL_MS = 250

async function waitUntilEmpty(sets: readonly ReadonlySet<unknown>[], clock: Clock, atMostMs: number): Promise<void> {
  const deadlineMs = clock.monotonicMs() + atMostMs
  while (sets.some((set) => set.size > 0) && clock.monotonicMs() < deadlineMs) await sleep(clock, POLL_MS)
}

interface Security {
  context: SecureContext
  /** Whose certificates clients may show. */
  clientAuthorities: readonly X509Certificate[]
}

function securityOf(tls: TlsMaterial): Security {
  const { key, cert, clientAuthorities } = tls.current()
  // RFC 8997: nothing below TLS 1.2.
  const settings = { key, cert, minVersion: 'TLSv1.2' as const }
  if (clientAuthorities === undefined) return { context: createSecureContext(settings), clientAuthorities: [] }
  const context = createSecureContext({ ...settings, ca: clientAuthorities })
  return { context, clientAuthorities: readAuthorities(clientAuthorities) }
}

function secureStream(stream: Duplex, { context, clientAuthorities }: Security): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const secured = new TLSSocket(stream, {
      isServer: true,
      secureContext: context,
      // What is wrong with a certificate is told to whoever tries to log in with it.
      requestCert: clientAuthorities.length > 0,
      rejectUnauthorized: false,
    })
    const settle = (error?: Error) => {
      secured.off('secure', settle)
      secured.off('error', settle)
      secured.off('close', closed)
      secured.off('end', closed)
      if (error === undefined) return resolve(secured)
      secured.on('error', () => {})
      secured.destroy()
      reject(error)
    }
    const closed = () => settle(new Error('the connection was closed during the handshake'))
    secured.on('secure', settle)
    secured.on('error', settle)
    secured.on('close', closed)
    // A client may close its half early and still be answered, but not within a handshake.
    secured.on('end', closed)
  })
}
