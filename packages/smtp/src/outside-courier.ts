// The way of a letter to another mail system: finds its hosts, tries them in turn, says for each recipient what came of it.
// Promises: "delivered" only on the other side's word; never throws for what the other side does; never sends to itself.
import type { Consignment, Courier, DeliveryResult, Destination, QueueRecipient } from '@skein/delivery'
import type { MessageLog } from '@skein/mailboxes'
import { type Clock, type DnsResolver, type Logger, type Random, SkeinError } from '@skein/runtime'
import { type OutsideLimits, outsideLimits } from './limits.ts'
import { ConnectionPool } from './outside/connection-pool.ts'
import { DialogueBroken } from './outside/dialogue.ts'
import {
  HostRefusal,
  MailConnection,
  type MailConnectionComponents,
  TlsFailure,
  hopOf,
} from './outside/mail-connection.ts'
import { type MailHost, type MailHostSettings, findMailHosts, parseRoute } from './outside/mail-hosts.ts'
import { type Outcome, failure } from './outside/outcome.ts'

export interface OutsideCourierComponents {
  log: MessageLog
  clock: Clock
  random: Random
  logger: Logger
  resolver: DnsResolver
}

export interface OutsideCourierSettings extends Partial<OutsideLimits> {
  /** Said in EHLO; also one of our own names. */
  hostName: string
  /** Other names and addresses under which this node takes mail, and on which ports (default 25). */
  ownHostNames?: readonly string[]
  ownAddresses?: readonly string[]
  ownPorts?: readonly number[]
  /** `'<domain>'` or `'*'` to `'host:port'`: a relay, in place of the domain's MX. */
  routes?: Readonly<Record<string, string>>
  /** Address to send from. */
  localAddress?: string
}

export interface OutsideCourier extends Courier {
  readonly kind: 'outside'
  /** Closes idle connections. Deliveries that run are ended by their signal. */
  close(): Promise<void>
}

/** @throws RangeError for a route that is no `host:port`. */
export function createOutsideCourier(
  { log, clock, random, logger, resolver }: OutsideCourierComponents,
  settings: OutsideCourierSettings,
): OutsideCourier {
  const limits: OutsideLimits = { ...outsideLimits, ...settings }
  const routes = settings.routes ?? {}
  for (const route of Object.values(routes)) parseRoute(route)
  const hostSettings: MailHostSettings = {
    routes,
    own: {
      hostNames: [settings.hostName, ...(settings.ownHostNames ?? [])],
      addresses: settings.ownAddresses ?? [],
      ports: settings.ownPorts ?? [25],
    },
    addressesTriedMax: limits.addressesTriedMax,
    mxRecordsMax: limits.mxRecordsMax,
  }
  const { hostName, localAddress } = settings
  const components: MailConnectionComponents = { log, clock, limits, hostName, localAddress }
  const pool = new ConnectionPool(clock, limits)

  /** @throws DialogueBroken, HostRefusal */
  async function open(host: MailHost, signal: AbortSignal): Promise<MailConnection> {
    try {
      return await MailConnection.open(host, components, { useTls: true }, signal)
    } catch (error) {
      if (!(error instanceof TlsFailure)) throw error
      // RFC 7435: opportunistic. Who can break the handshake can also take STARTTLS out of the EHLO reply.
      logger.info({ host: hopOf(host), error: error.message }, 'STARTTLS failed, going on in clear text')
      return await MailConnection.open(host, components, { useTls: false }, signal)
    }
  }

  async function tryHost(
    host: MailHost,
    { item }: Consignment,
    recipients: readonly QueueRecipient[],
    signal: AbortSignal,
  ): Promise<Outcome[]> {
    const hop = hopOf(host)
    for (;;) {
      const kept = pool.take(host)
      let connection: MailConnection
      try {
        connection = kept ?? (await open(host, signal))
      } catch (error) {
        if (error instanceof HostRefusal) return recipients.map(() => error.outcome)
        if (!(error instanceof DialogueBroken)) throw error
        return recipients.map(() => failure('temporary', 451, '4.4.1', error.message, { hop, tryNext: true }))
      }
      const outcomes = await connection.deliver(item, recipients, signal)
      pool.put(connection)
      // The other side may have closed a kept connection just then; there are only so many of them.
      if (kept && !signal.aborted && outcomes.every((outcome) => outcome === null)) continue
      const lost = failure('temporary', 451, '4.4.2', connection.brokenBy, { hop, tryNext: true })
      return outcomes.map((outcome) => outcome ?? lost)
    }
  }

  async function deliverAll(consignment: Consignment, domain: string, signal: AbortSignal): Promise<Outcome[]> {
    const { recipients } = consignment
    const found = await findMailHosts(domain, { resolver, random }, hostSettings)
    if ('failed' in found) return recipients.map(() => found.failed)
    const outcomes: (Outcome | undefined)[] = recipients.map(() => undefined)
    for (const host of found.hosts) {
      const open = recipients.flatMap((_, i) => (outcomes[i] === undefined || outcomes[i]?.tryNext ? [i] : []))
      if (open.length === 0 || signal.aborted) break
      const subset = open.map((i) => recipients[i] as QueueRecipient)
      const results = await tryHost(host, consignment, subset, signal)
      open.forEach((i, at) => {
        outcomes[i] = better(outcomes[i], results[at] as Outcome)
      })
    }
    const brokenOff = failure('temporary', 451, '4.4.0', 'the attempt was broken off')
    return outcomes.map((outcome) => outcome ?? brokenOff)
  }

  async function deliver(
    consignment: Consignment,
    destination: Destination,
    signal: AbortSignal,
  ): Promise<DeliveryResult[]> {
    let outcomes: Outcome[]
    if (destination.kind !== 'outside')
      throw new Error(`the outside courier was given a ${destination.kind} destination`)
    try {
      outcomes = await deliverAll(consignment, destination.domain, signal)
    } catch (error) {
      logger.error({ queueId: consignment.item.id, domain: destination.domain, error }, 'sending a letter out failed')
      const isKnown = error instanceof SkeinError
      const kind = isKnown && error.kind === 'permanent' ? 'permanent' : 'temporary'
      const text = isKnown ? error.message : 'internal error'
      const outcome = failure(kind, kind === 'permanent' ? 554 : 451, kind === 'permanent' ? '5.3.0' : '4.3.0', text)
      outcomes = consignment.recipients.map(() => outcome)
    }
    const atMs = clock.nowMs()
    return outcomes.map(({ kind, code, status, text, hop, passedOn }): DeliveryResult => {
      const said = { atMs, kind, code, status, text, hop: hop === '' ? destination.domain : hop }
      if (kind !== 'delivered' || !passedOn) return { ...said, courier: 'outside' }
      return { ...said, courier: 'outside', dsnPassedOn: passedOn.dsn, deliverByPassedOn: passedOn.deliverBy }
    })
  }

  return { kind: 'outside', deliver, close: async () => pool.close() }
}

/** A server's own word about a recipient says more than that the next one could not be reached. */
function better(before: Outcome | undefined, now: Outcome): Outcome {
  const isUnreachable = now.kind === 'temporary' && now.status.startsWith('4.4.')
  return before && isUnreachable && !before.status.startsWith('4.4.') ? { ...before, tryNext: now.tryNext } : now
}
