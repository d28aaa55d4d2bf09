// What every visit of one door shares.
import type { Clock } from '@skein/runtime'
import type { Bans } from './bans.ts'
import type { DnsList } from './dns-lists.ts'
import type { GoodNames } from './good-names.ts'
import type { Greylist } from './greylist.ts'
import type { DoorLimits } from './limits.ts'
import type { Rate, Rates } from './rates.ts'
import type { Refusal } from './refusals.ts'
import type { ReverseNames } from './reverse-name.ts'
import type { StaticLists } from './static-lists.ts'
import type { SubjectHash } from './subject-hash.ts'
import type { Tarpit } from './tarpit.ts'

/** suspicious: those without a confirmed host name, on a DNS list, or with a bad name. */
export type GreylistFor = 'off' | 'suspicious' | 'all'

export interface DoorRates {
  connections: Rate
  letters: Rate
  recipients: Rate
  unknown: Rate
  unknownOfSite: Rate
  recipientLetters: Rate
}

export interface DoorParts {
  clock: Clock
  limits: DoorLimits
  rates: DoorRates
  usage: Rates
  names: GoodNames
  bans: Bans
  greylist: Greylist
  greylistFor: GreylistFor
  withoutName: 'record' | 'refuse'
  /** The weight of all hits from which a visitor is refused. */
  listedFrom: number
  reverse: ReverseNames
  lists: readonly DnsList[]
  fixed(): StaticLists
  tarpit: Tarpit
  hash: SubjectHash
  sessions: Map<string, number>
  /** Counts and logs it. */
  refuse(refusal: Refusal, remoteAddress: string): Refusal
}
