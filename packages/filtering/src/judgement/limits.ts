// Every limit of the judgement that the mesh shares, with its default. Listed in docs/operating/limits.md.
import type { JudgementKind } from './record.ts'

const minuteMs = 60_000
const dayMs = 24 * 3600_000

export const judgementLimits = {
  /** From a change to its way to the peers: changes of this time go together. */
  shareDelayMs: 500,
  /** From a change to the disk: what is younger may be lost by a crash, nothing else is. */
  saveDelayMs: 2_000,
  /** Of one message to a peer; what a peer sends above it is refused. */
  recordsPerPushMax: 500,
  pushTimeoutMs: 10_000,
  /** A peer that could not be told is told again after so long. */
  pushAgainMs: 15_000,
  keyCharactersMax: 120,
  noteCharactersMax: 200,
  valuesPerRecordMax: 4,
  /** Expired records are removed so often. */
  sweepEveryMs: 60_000,
  /** How far the word of a member whose clock goes ahead may reach before this node's. */
  clockAheadMaxMs: dayMs,
} as const

/** How many records of each kind one node may have in the judgement; its oldest go first. */
export const judgementRecordLimits = {
  grey: 50_000,
  name: 20_000,
  ban: 5_000,
  pardon: 1_000,
  use: 20_000,
  login: 20_000,
} as const satisfies Record<JudgementKind, number>

/** The longest that a record of each kind is kept after it was last said; whoever says more is cut to this. */
export const judgementKeepLimits = {
  greyMs: 36 * dayMs,
  nameMs: 60 * dayMs,
  banMs: dayMs,
  pardonMs: dayMs,
  useMs: 2 * dayMs,
  loginMs: 30 * minuteMs,
} as const satisfies Record<`${JudgementKind}Ms`, number>
