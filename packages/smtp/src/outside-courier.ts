// The way of a letter to another mail system: finds its hosts, tries them in turn, says for each recipient what came of it.
// Promises: "delivered" only on the other side's word; never throws for what the other side does; never sends to itself.
import { type SecureContext, createSecureContext } from 'node:tls'
import type {
  Consignment,
  Courier,
  DeliveryResult,
  Destination,
  QueueItem,
  QueueRecipient,
  StsPolicyStore,
} from '@skein/delivery'
import type { MessageLog } from '@skein/mailboxes'
import type { TlsFailureType, TlsJournal, TlsPolicyFacts } from '@skein/reports'
import { type Clock, type DnsResolver, type Logger, type Random, SkeinError } from '@skein/runtime'
import { type OutsideLimits, outsideLimits } from './limits.ts'
import { AddressFamilies, type FamilyOrder } from './outside/address-families.ts'
import { ConnectionPool } from './outside/connection-pool.ts'
import { DialogueBroken } from './outside/dialogue.ts'
import { type FirstConnection, firstConnection } from './outside/first-connection.ts'
import { type TlsWish, outcomeOfVerdict, termsFor } from './outside/host-policy.ts'
import {
  HostRefusal,
  MailConnection,
  type MailConnectionComponents,
  TlsFailure,
  TlsRefusal,
  type TlsReport,
  hopOf,
} from './outside/mail-connection.ts'
import { type MailHost, type MailHostSettings, findMailHosts, parseRoute } from './outside/mail-hosts.ts'
import { type Outcome, failure } from './outside/outcome.ts'
import { fetchStsPolicy } from './outside/sts-fetch.ts'
import { StsPolicies } from './outside/sts-policies.ts'
import type { TlsTerms } from './outside/tls-terms.ts'

export interface OutsideCourierComponents {
  log: MessageLog
  clock: Clock
  random: Random
  logger: Logger
  resolver: DnsResolver
  /** MTA-STS policies that were learnt. */
  stsPolicies: StsPolicyStore
  /** Told of each attempt to speak TLS. */
  journal: TlsJournal
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
  /** PEM certificates of the authorities that are trusted, for mail hosts and for MTA-STS; left out: Node's own. */
  authorities?: readonly string[]
  families?: FamilyOrder
}

export interface OutsideCourier extends Courier {
  readonly kind: 'outside'
  /** Closes idle connections. Deliveries that run are ended by their signal. */
  close(): Promise<void>
}

/** @throws RangeError for a route that is no `host:port`. */
export function createOutsideCourier(
  { log, clock, random, logger, resolver, stsPolicies, journal }: OutsideCourierComponents,
  settings: OutsideCourierSettings,
): OutsideCourier {
  const limits: OutsideLimits = { ...outsideLimits, ...settings }
  const routes = settings.routes ?? {}
  for (const route of Object.values(routes)) parseRoute(route)
  const families = new AddressFamilies(clock, settings.families ?? 'ipv4-first', limits.familyPauseMs)
  const { authorities } = settings
  const hostSettings: MailHostSettings = {
    routes,
    own: {
      hostNames: [settings.hostName, ...(settings.ownHostNames ?? [])],
      addresses: settings.ownAddresses ?? [],
      ports: settings.ownPorts ?? [25],
    },
    addressesTriedMax: limits.addressesTriedMax,
    mxRecordsMax: limits.mxRecordsMax,
    sorted: (addresses) => families.sorted(addresses),
  }
  const { hostName, localAddress } = settings
  const components: MailConnectionComponents = { log, clock, limits, hostName, localAddress, ...trust(settings) }
  const pool = new ConnectionPool(clock, limits)
  const fetch = (domain: string) =>
    fetchStsPolicy(domain, { resolver, clock, limits, ...(authorities ? { authorities } : {}) })
  const policies = new StsPolicies({ resolver, store: stsPolicies, clock, logger, fetch }, limits)

  const note = (terms: Pick<TlsTerms, 'policyDomain' | 'facts'>, receivingMx: string): TlsReport => {
    return (host, sendingIp, verdict) =>
      journal.note({
        atMs: clock.nowMs(),
        policyDomain: terms.policyDomain,
        policy: terms.facts,
        receivingMx,
        receivingIp: host.address,
        sendingIp,
        result: verdict?.type ?? 'success',
        failureReason: verdict?.text ?? '',
      })
  }

  /** A connection to one of several addresses of a host, or why there is none, and for which of them. */
  async function open(
    hosts: readonly MailHost[],
    terms: TlsTerms,
    signal: AbortSignal,
  ): Promise<MailConnection | { error: unknown; tried: readonly MailHost[] }> {
    const report = note(terms, hosts[0]?.name ?? '')
    let tried = hosts
    try {
      const { host, socket, behind } = await connectTo(hosts, signal)
      tried = [host]
      families.note(
        host.address,
        behind.map(({ address }) => address),
      )
      return await MailConnection.greet({ host, socket }, components, { useTls: true, terms, report }, signal)
    } catch (error) {
      if (!(error instanceof TlsFailure)) return { error, tried }
      // RFC 7435: opportunistic. Who can break the handshake can also take STARTTLS out of the EHLO reply.
      logger.info({ host: tried.map(hopOf), error: error.message }, 'STARTTLS failed, going on in clear text')
    }
    try {
      const again = await connectTo(tried, signal)
      return await MailConnection.greet(again, components, { useTls: false, terms, report }, signal)
    } catch (error) {
      return { error, tried }
    }
  }

  async function connectTo(hosts: readonly MailHost[], signal: AbortSignal): Promise<FirstConnection> {
    try {
      return await firstConnection(hosts, components, signal)
    } catch (error) {
      throw new DialogueBroken(error instanceof Error ? error.message : String(error))
    }
  }

  /** One letter to one of several addresses of a host. `tried`: the addresses that have had their chance. */
  async function tryAddresses(
    hosts: readonly MailHost[],
    terms: TlsTerms,
    { item }: Consignment,
    recipients: readonly QueueRecipient[],
    signal: AbortSignal,
  ): Promise<{ outcomes: Outcome[]; tried: readonly MailHost[] }> {
    for (;;) {
      const kept = pool.take(hosts, terms.key)
      const connection = kept ?? (await open(hosts, terms, signal))
      if (!(connection instanceof MailConnection)) {
        const outcome = outcomeOfOpening(connection.error, connection.tried, item)
        return { outcomes: recipients.map(() => outcome), tried: connection.tried }
      }
      const outcomes = await connection.deliver(item, recipients, signal)
      pool.put(connection)
      // The other side may have closed a kept connection just then; there are only so many of them.
      if (kept && !signal.aborted && outcomes.every((outcome) => outcome === null)) continue
      const { hop, host, protection } = connection
      const lost = failure('temporary', 451, '4.4.2', connection.brokenBy, { hop, tryNext: true })
      const told = outcomes.map((outcome) =>
        outcome?.kind === 'delivered' ? { ...outcome, text: `${outcome.text} (${protection})` } : (outcome ?? lost),
      )
      return { outcomes: told, tried: [host] }
    }
  }

  async function deliverAll(consignment: Consignment, domain: string, signal: AbortSignal): Promise<Outcome[]> {
    const { recipients, item } = consignment
    const found = await findMailHosts(domain, { resolver, random }, hostSettings)
    if ('failed' in found) return recipients.map(() => found.failed)
    const wish = wishOf(item)
    const sts = found.way === 'mx' && wish !== 'optional' ? await policies.of(found.domain) : null
    if (sts?.failure) noteStsFailure(found.domain, sts.failure)
    const outcomes: (Outcome | undefined)[] = recipients.map(() => undefined)
    const left = [...found.hosts]
    for (let next = left[0]; next; next = left[0]) {
      const { name, port } = next
      const open = recipients.flatMap((_, i) => (outcomes[i] === undefined || outcomes[i]?.tryNext ? [i] : []))
      if (open.length === 0 || signal.aborted) break
      const hosts = left.filter((host) => host.name === name && host.port === port)
      const terms = await termsFor(next, found, sts, wish, resolver)
      let results: Outcome[]
      let tried: readonly MailHost[] = hosts
      if ('outcome' in terms) {
        note(terms, name)({ ...next, address: '' }, '', terms.verdict)
        results = open.map(() => ({ ...terms.outcome, hop: name }))
      } else {
        const subset = open.map((i) => recipients[i] as QueueRecipient)
        const attempt = await tryAddresses(hosts, terms, consignment, subset, signal)
        results = attempt.outcomes
        tried = attempt.tried
      }
      open.forEach((i, at) => {
        outcomes[i] = better(outcomes[i], results[at] as Outcome)
      })
      for (const host of tried) left.splice(left.indexOf(host), 1)
    }
    const brokenOff = failure('temporary', 451, '4.4.0', 'the attempt was broken off')
    return outcomes.map((outcome) => outcome ?? brokenOff)
  }

  function noteStsFailure(domain: string, { type, text }: { type: TlsFailureType; text: string }): void {
    const facts: TlsPolicyFacts = { type: 'sts', strings: [], mxPatterns: [] }
    const nowhere: MailHost = { name: '', address: '', port: 25, authentic: false }
    note({ policyDomain: domain, facts }, '')(nowhere, '', { type, text })
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

function outcomeOfOpening(error: unknown, hosts: readonly MailHost[], item: QueueItem): Outcome {
  const hop = hosts.length === 1 ? hopOf(hosts[0] as MailHost) : (hosts[0]?.name ?? '')
  if (error instanceof HostRefusal) return error.outcome
  if (error instanceof TlsRefusal) {
    return outcomeOfVerdict(error.verdict, wishOf(item) === 'verified' ? 'permanent' : 'temporary', hop)
  }
  if (!(error instanceof DialogueBroken)) throw error
  return failure('temporary', 451, '4.4.1', error.message, { hop, tryNext: true })
}

function wishOf({ options }: QueueItem): TlsWish {
  if (options?.requireTls) return 'verified'
  return options?.tlsOptional ? 'optional' : 'policy'
}

/** One context for all connections: reading the authorities takes its time. */
function trust({ authorities }: OutsideCourierSettings): { secureContext: SecureContext } {
  return { secureContext: createSecureContext(authorities ? { ca: [...authorities] } : {}) }
}

/** A server's own word about a recipient says more than that the next one could not be reached. */
function better(before: Outcome | undefined, now: Outcome): Outcome {
  const isUnreachable = now.kind === 'temporary' && now.status.startsWith('4.4.')
  return before && isUnreachable && !before.status.startsWith('4.4.') ? { ...before, tryNext: now.tryNext } : now
}
