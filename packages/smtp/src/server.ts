// The SMTP front door: one server with any number of listening ports, which share its limits.
// Promises: a letter is answered 250 only after the intake has it for good; closing first lets running letters finish.
import { readAuthorities } from '@skein/accounts'
import { createAddressSet, ConnectionCounter } from '@skein/runtime'
import type { AddressInfo } from 'node:net'
import { createSecureContext } from 'node:tls'
import type { SmtpComponents, SmtpHouse, SmtpRole } from './house.ts'
import { type SmtpLimits, smtpLimits } from './limits.ts'
import { SmtpListener } from './listener.ts'

export interface SmtpSettings extends Partial<SmtpLimits> {
  /** Said in the greeting and in EHLO. */
  hostName: string
  /** A bare CR or LF in a message or command: refused (default), or made into CR LF. Neither ever ends a message. */
  bareLineEnds?: 'refuse' | 'normalise'
  /** Addresses and CIDR blocks that get no greeting pause and no limit per address. Default: loopback. */
  trustedAddresses?: readonly string[]
  /** Refused with 550 where a sender says that the letter offers it (RFC 3865). Default: none. */
  solicitationsRefused?: readonly string[]
  /** Addresses and CIDR blocks whose XCLIENT and XFORWARD count. Default: none. */
  xclientAddresses?: readonly string[]
  xforwardAddresses?: readonly string[]
  /** Those whose connections begin with a PROXY header (version 1 or 2), and must. Default: none. */
  proxyAddresses?: readonly string[]
  /** Whether submission offers SCRAM-SHA-256-PLUS. Default: yes. */
  channelBinding?: boolean
}

export interface SmtpServer {
  listen(options: { host: string; port: number; role: SmtpRole }): Promise<{ port: number }>
  /** Connections that stand now, on all ports. */
  connections(): number
  /** Takes no new ones, sends idle ones away (421), gives letters on their way `drainMs`, then cuts. */
  close(options: { drainMs: number }): Promise<void>
}

export const trustedAddressesDefault: readonly string[] = ['127.0.0.0/8', '::1']

export function createSmtpServer(components: SmtpComponents, settings: SmtpSettings): SmtpServer {
  const limits = { ...smtpLimits, ...limitsOf(settings) }
  const { clock, logger, tls } = components
  const isTrusted = createAddressSet(settings.trustedAddresses ?? trustedAddressesDefault)
  const readClientAuthorities = () => {
    const pem = tls.current().clientAuthorities
    return pem === undefined ? [] : readAuthorities(pem)
  }
  let clientAuthorities = readClientAuthorities()
  const house: SmtpHouse = {
    ...components,
    hostName: settings.hostName,
    limits,
    bareLineEnds: settings.bareLineEnds ?? 'refuse',
    isTrusted,
    channelBinding: settings.channelBinding ?? true,
    solicitationsRefused: settings.solicitationsRefused ?? [],
    mayXclient: addressSet(settings.xclientAddresses),
    mayXforward: addressSet(settings.xforwardAddresses),
    sendsProxyHeader: addressSet(settings.proxyAddresses),
    counter: new ConnectionCounter(limits.connectionsMax, limits.connectionsPerAddressMax, isTrusted),
    clientAuthorities: () => clientAuthorities,
  }
  const listeners = new Set<SmtpListener>()
  let isClosed = false

  const stopTlsWatch = tls.onChange(() => {
    clientAuthorities = readClientAuthorities()
    for (const listener of listeners) {
      try {
        const { key, cert, clientAuthorities: ca } = tls.current()
        const material = { key, cert, minVersion: 'TLSv1.2' as const, ...(ca === undefined ? {} : { ca }) }
        // The library drops the old context before it looks at the new one.
        createSecureContext(material)
        listener.updateSecureContext(material)
      } catch (error) {
        logger.error({ error }, 'the new TLS certificate can not be used; the one before stays')
      }
    }
  })

  const sweepMs = Math.max(10, Math.min(1_000, Math.min(limits.commandTimeoutMs, limits.dataTimeoutMs) / 4))
  const sweep = () => {
    if (isClosed) return
    const now = clock.monotonicMs()
    for (const listener of listeners) for (const session of listener.sessions()) session.checkDeadline(now)
    clock.setTimer(sweepMs, sweep)
  }
  clock.setTimer(sweepMs, sweep)

  function listen({ host, port, role }: { host: string; port: number; role: SmtpRole }): Promise<{ port: number }> {
    if (isClosed) return Promise.reject(new Error('the SMTP server is closed'))
    const listener = new SmtpListener(house, role)
    return new Promise((resolve, reject) => {
      listener.once('error', reject)
      listener.listen({ host, port, backlog: 1024 }, () => {
        listener.off('error', reject)
        listener.on('error', (error: Error) => logger.error({ error, role }, 'SMTP listener failed'))
        listeners.add(listener)
        resolve({ port: (listener.server.address() as AddressInfo).port })
      })
    })
  }

  async function close({ drainMs }: { drainMs: number }): Promise<void> {
    if (isClosed) return
    isClosed = true
    stopTlsWatch()
    await Promise.all([...listeners].map((listener) => closeListener(listener, drainMs)))
    listeners.clear()
  }

  async function closeListener(listener: SmtpListener, drainMs: number): Promise<void> {
    // The library's own grace period must not end before ours.
    listener.options.closeTimeout = drainMs + 60_000
    const open = new Set(listener.sessions())
    const closed = new Promise<void>((resolve) => {
      listener.close(() => resolve())
    })
    for (const session of open) if (session.isIdle) session.sendAway()
    const timer = clock.setTimer(drainMs, () => {
      for (const session of open) session.destroy()
    })
    await closed
    timer.cancel()
  }

  return { listen, connections: () => house.counter.count, close }
}

function limitsOf(settings: SmtpSettings): Partial<SmtpLimits> {
  const names = Object.keys(smtpLimits) as (keyof SmtpLimits)[]
  return Object.fromEntries(names.filter((name) => settings[name] !== undefined).map((name) => [name, settings[name]]))
}

/** Asked for every connection, and empty nearly everywhere. */
function addressSet(entries: readonly string[] = []): (address: string) => boolean {
  return entries.length === 0 ? () => false : createAddressSet(entries)
}
