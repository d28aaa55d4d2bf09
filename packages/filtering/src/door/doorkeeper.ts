// Who may come in, how often, and who has to wait: the SMTP front door asks it at each step of a session.
// Promises: trusted addresses are not asked for anything; the DNS holds a session for `lookupWaitMs` at most; nodes that have heard
// each other judge alike.
import { type Clock, type DnsResolver, type Logger, isLoopback, plainAddress } from '@skein/runtime'
import type { Judgement } from '../judgement/judgement.ts'
import { type Ban, Bans } from './bans.ts'
import { DnsList, type DnsListSettings } from './dns-lists.ts'
import type { DoorParts, DoorRates, GreylistFor } from './door-parts.ts'
import { GoodNames } from './good-names.ts'
import { Greylist } from './greylist.ts'
import { type DoorLimits, doorLimits } from './limits.ts'
import { MxVisit } from './mx-visit.ts'
import type { Doorkeeper } from './ports.ts'
import { Rates } from './rates.ts'
import type { Refusal } from './refusals.ts'
import { ReverseNames } from './reverse-name.ts'
import { type DoorRule, StaticLists } from './static-lists.ts'
import type { SubjectHash } from './subject-hash.ts'
import { SubmissionVisit } from './submission-visit.ts'
import { Tarpit } from './tarpit.ts'

export interface DoorkeeperComponents {
  judgement: Judgement
  resolver: DnsResolver
  clock: Clock
  logger: Logger
  hash: SubjectHash
  /** The operators' lists, and when they change. */
  rules: { all(): readonly DoorRule[]; onChange(listener: () => void): () => void }
}

export interface DoorkeeperSettings {
  isTrusted?: (address: string) => boolean
  greylist?: GreylistFor
  withoutName?: 'record' | 'refuse'
  lists?: readonly DnsListSettings[]
  listedFrom?: number
  limits?: Partial<DoorLimits>
}

export interface OperatedDoorkeeper extends Doorkeeper {
  bans(): Ban[]
  /** Lifts bans of an address at every node. @returns whether there was one */
  pardon(address: string): boolean
  close(): void
}

const minuteMs = 60_000
const hourMs = 60 * minuteMs
const logKeysMax = 10_000

export function createDoorkeeper(
  components: DoorkeeperComponents,
  settings: DoorkeeperSettings = {},
): OperatedDoorkeeper {
  const { judgement, resolver, clock, logger, hash, rules } = components
  const limits: DoorLimits = { ...doorLimits, ...settings.limits }
  const isTrusted = settings.isTrusted ?? isLoopback
  const bans = new Bans({ judgement, clock }, limits)
  const tarpit = new Tarpit(clock, limits)
  const refused = new Map<string, number>()
  const logged = new Map<string, number>()
  let visits = 0
  let fixed = new StaticLists(rules.all())
  const stopRules = rules.onChange(() => {
    fixed = new StaticLists(rules.all())
  })

  function refuse(refusal: Refusal, remoteAddress: string): Refusal {
    const { reason, code, status, text } = refusal
    refused.set(reason, (refused.get(reason) ?? 0) + 1)
    const key = `${reason} ${remoteAddress}`
    const nowMs = clock.monotonicMs()
    if (nowMs - (logged.get(key) ?? -Infinity) < limits.logEveryMs) return refusal
    logged.delete(key)
    logged.set(key, nowMs)
    if (logged.size > logKeysMax) logged.delete(logged.keys().next().value as string)
    logger.info({ remoteAddress, reason, reply: `${code} ${status} ${text}` }, 'refused at the door')
    return refusal
  }

  const parts: DoorParts = {
    clock,
    limits,
    rates: ratesOf(limits),
    usage: new Rates({ judgement, clock }, limits.countsMax),
    names: new GoodNames({ judgement, clock }, limits),
    bans,
    greylist: new Greylist({ judgement, clock, hash }, limits),
    greylistFor: settings.greylist ?? 'suspicious',
    withoutName: settings.withoutName ?? 'record',
    listedFrom: settings.listedFrom ?? 1,
    reverse: new ReverseNames({ resolver, clock }, limits),
    lists: (settings.lists ?? []).map((list) => new DnsList({ resolver, clock, logger }, list, limits)),
    fixed: () => fixed,
    tarpit,
    hash,
    sessions: new Map(),
    refuse,
  }

  return {
    enter({ remoteAddress, role }) {
      const address = plainAddress(remoteAddress)
      if (address === '' || isTrusted(address)) return undefined
      visits += 1
      return role === 'mx' ? new MxVisit(parts, address) : new SubmissionVisit(parts, address)
    },
    stats: () => ({
      visits,
      refused: Object.fromEntries(refused),
      tarpit: tarpit.stats,
      bans: bans.list().length,
      records: judgement.stats().records,
    }),
    bans: () => bans.list(),
    pardon: (address) => bans.pardon(plainAddress(address)),
    close: () => stopRules(),
  }
}

function ratesOf(limits: DoorLimits): DoorRates {
  const hourly = (name: string, max: number) => ({ name, max, windowMs: hourMs })
  return {
    connections: { name: 'conn', max: limits.connectionsPerAddressPer10MinMax, windowMs: 10 * minuteMs },
    letters: hourly('mail', limits.lettersPerAddressPerHourMax),
    recipients: hourly('rcpt', limits.recipientsPerAddressPerHourMax),
    unknown: hourly('unknown', limits.unknownRecipientsPerHourMax),
    unknownOfSite: hourly('unknown-site', limits.unknownRecipientsPerHourMax * limits.unknownRecipientsSiteTimes),
    recipientLetters: hourly('to', limits.lettersPerRecipientPerHourMax),
  }
}
