// The POP3 front door: one server with any number of listening ports, which share its limits and its mailboxes' locks.
import { type CarriedSessionTaker, readAuthorities } from '@skein/accounts'
import {
  ConnectionCounter,
  SkeinError,
  type Splice,
  type TlsMaterial,
  createAddressSet,
  plainAddress,
  sleep,
} from '@skein/runtime'
import { type AddressInfo, type Server, type Socket, createServer } from 'node:net'
import { createSecureContext } from 'node:tls'
import { answers, formatError } from './answers.ts'
import { openingOf } from './carried-away.ts'
import { type ClientStream, Pop3Connection } from './connection.ts'
import type { Pop3Components, Pop3House, Security } from './house.ts'
import { type Pop3Limits, pop3Limits } from './limits.ts'
import { type Maildrop, MaildropLocks } from './maildrop.ts'

export interface Pop3Settings extends Partial<Pop3Limits> {
  hostName: string
  /** Addresses and CIDR blocks without a limit per address. Default: loopback. */
  trustedAddresses?: readonly string[]
  /** Days for which messages are kept, as EXPIRE tells clients (RFC 2449 §6.7). Default: NEVER removed. Only told, not done. */
  expireDays?: number | undefined
  /** Whether clients that did not say UTF8 get UTF-8 in a message's header made ASCII (RFC 6856 §2). Default: byte for byte. */
  asciiHeaders?: boolean
}

/** starttls: port 110, with STLS. implicit: port 995, TLS from the first byte (RFC 8314 §3). */
export type Pop3Mode = 'starttls' | 'implicit'

export interface Pop3Server {
  listen(options: { host: string; port: number; mode: Pop3Mode }): Promise<{ port: number }>
  /**
   * Serves a client that logged in at another node: from the answer to its log-in on, without a greeting.
   * @throws SkeinError `too-many-connections`, `maildrop-in-use` (both temporary), or why the account can't be opened
   */
  takeSession: CarriedSessionTaker
  /** Connections that stand now, on all ports. */
  connections(): number
  /** Sends the sessions of one account away: it may not go on. */
  dismiss(address: string): void
  /** Takes no new ones, sends idle ones away, gives running commands `drainMs`, then cuts. */
  close(options: { drainMs: number }): Promise<void>
}

const refusalLingerMs = 1_000
const keepAliveMs = 60_000
const emptyPollMs = 5

export function createPop3Server(components: Pop3Components, settings: Pop3Settings): Pop3Server {
  const limits = { ...pop3Limits, ...limitsOf(settings) }
  const { clock, logger, tls, mailboxes } = components
  const isTrusted = createAddressSet(settings.trustedAddresses ?? ['127.0.0.0/8', '::1'])
  const counter = new ConnectionCounter(limits.connectionsMax, limits.connectionsPerAddressMax, isTrusted)
  const connections = new Set<Pop3Connection>()
  /** Sessions that another node serves. */
  const carried = new Set<Splice>()
  const servers = new Set<Server>()
  let isClosed = false

  let security = securityOf(tls.current())
  const stopTlsWatch = tls.onChange(() => {
    try {
      security = securityOf(tls.current())
    } catch (error) {
      logger.error({ error }, 'the new TLS certificate can not be used; the one before stays')
    }
  })

  const house: Pop3House = {
    ...components,
    hostName: settings.hostName,
    expireDays: settings.expireDays,
    asciiHeaders: settings.asciiHeaders ?? false,
    limits,
    maildrops: new MaildropLocks(mailboxes, limits),
    security: () => security,
  }

  const sweepMs = Math.max(10, Math.min(1_000, Math.min(limits.idleTimeoutMs, limits.writeTimeoutMs) / 4))
  const sweep = () => {
    if (isClosed && connections.size === 0) return
    const now = clock.monotonicMs()
    for (const connection of connections) connection.checkDeadline(now)
    clock.setTimer(sweepMs, sweep)
  }
  clock.setTimer(sweepMs, sweep)

  function accept(socket: Socket, mode: Pop3Mode): void {
    const address = plainAddress(socket.remoteAddress ?? '')
    if (counter.enter(address) !== 'ok') return refuse(socket, mode)
    socket.once('close', () => counter.leave(address))
    socket.setNoDelay(true)
    // A client that is gone without a word holds its mailbox no longer than this and the idle time-out.
    socket.setKeepAlive(true, keepAliveMs)
    const connection = connect({ stream: socket, remoteAddress: address, isSecure: false })
    if (mode === 'implicit') connection.secureThenGreet()
    else connection.greet()
  }

  function connect(client: ClientStream): Pop3Connection {
    const connection = new Pop3Connection(house, client, {
      onClosed: () => connections.delete(connection),
      onCarried(way) {
        carried.add(way)
        if (isClosed) way.leave(formatError(answers.shuttingDown))
        void way.done.then(() => carried.delete(way))
      },
    })
    connections.add(connection)
    return connection
  }

  const takeSession: CarriedSessionTaker = async ({ remoteAddress, secure, opening }, { id, address }) => {
    const entered = isClosed ? 'too-many' : counter.enter(remoteAddress)
    if (entered !== 'ok') throw new SkeinError('too-many-connections', 'temporary', answers.tooManyConnections.text)
    let maildrop: Maildrop | null = null
    try {
      maildrop = await house.maildrops.open(id)
      if (!maildrop) throw new SkeinError('maildrop-in-use', 'temporary', answers.inUse.text)
    } catch (error) {
      counter.leave(remoteAddress)
      throw error
    }
    const open = maildrop
    return (stream) => {
      if (stream.destroyed) {
        counter.leave(remoteAddress)
        open.close().catch((error: unknown) => logger.error({ error }, 'a maildrop could not be closed'))
        return
      }
      stream.once('close', () => counter.leave(remoteAddress))
      const connection = connect({ stream, remoteAddress, isSecure: secure })
      connection.goOn(open, address, openingOf(opening))
      if (isClosed) connection.sendAway(answers.shuttingDown)
    }
  }

  function refuse(socket: Socket, mode: Pop3Mode): void {
    socket.on('error', () => {})
    // Nothing can be said before the TLS handshake.
    if (mode === 'implicit') return void socket.destroy()
    socket.resume()
    socket.end(formatError(answers.tooManyConnections))
    socket.setTimeout(refusalLingerMs, () => socket.destroy())
  }

  function listen({ host, port, mode }: { host: string; port: number; mode: Pop3Mode }): Promise<{ port: number }> {
    if (isClosed) return Promise.reject(new Error('the POP3 server is closed'))
    // A client may end its side right after QUIT; it still gets its answers.
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => accept(socket, mode))
    return new Promise((resolve, reject) => {
      server.once('error', reject)
      server.listen({ host, port, backlog: 1024 }, () => {
        server.off('error', reject)
        server.on('error', (error) => logger.error({ error, mode }, 'POP3 listener failed'))
        servers.add(server)
        resolve({ port: (server.address() as AddressInfo).port })
      })
    })
  }

  function dismiss(address: string): void {
    for (const connection of connections) {
      if (connection.accountAddress !== address) continue
      if (connection.isIdle) connection.sendAway(answers.dismissed)
      else connection.destroy()
    }
  }

  async function close({ drainMs }: { drainMs: number }): Promise<void> {
    if (isClosed) return
    isClosed = true
    stopTlsWatch()
    const closed = [...servers].map((server) => new Promise<void>((resolve) => server.close(() => resolve())))
    for (const connection of connections) if (connection.isIdle) connection.sendAway(answers.shuttingDown)
    for (const way of carried) way.leave(formatError(answers.shuttingDown))
    const timer = clock.setTimer(drainMs, () => {
      for (const connection of [...connections, ...carried]) connection.destroy()
    })
    await Promise.all(closed)
    // Those that came from other nodes have no socket here.
    while (connections.size + carried.size > 0) await sleep(clock, emptyPollMs)
    timer.cancel()
  }

  return { listen, takeSession, connections: () => counter.count, dismiss, close }
}

function securityOf({ key, cert, clientAuthorities }: ReturnType<TlsMaterial['current']>): Security {
  if (key === '' || cert === '') throw new Error('POP3 needs a TLS key and certificate')
  const settings = { key, cert, minVersion: 'TLSv1.2' as const }
  if (clientAuthorities === undefined) return { context: createSecureContext(settings), clientAuthorities: [] }
  const context = createSecureContext({ ...settings, ca: clientAuthorities })
  return { context, clientAuthorities: readAuthorities(clientAuthorities) }
}

function limitsOf(settings: Pop3Settings): Partial<Pop3Limits> {
  const names = Object.keys(pop3Limits) as (keyof Pop3Limits)[]
  return Object.fromEntries(names.filter((name) => settings[name] !== undefined).map((name) => [name, settings[name]]))
}
