// When to try again. Tables of pauses, the last one repeated; ±20 % so that letters which failed together do not come back together.
import type { Random } from '@skein/runtime'

const second = 1000
const minute = 60 * second
const hour = 60 * minute

export const retryPausesMs = {
  /** Somebody else's server (RFC 5321 §4.5.4.1 asks for patience). */
  outside: [minute, 5 * minute, 15 * minute, 30 * minute, hour, 2 * hour, 4 * hour],
  /** A member that can't be reached, or whose map differs from ours: such things heal quickly. */
  peer: [second, 2 * second, 5 * second, 10 * second, 30 * second, minute],
  /** A mailbox that takes nothing now (full, disk full). */
  mailbox: [5 * second, 30 * second, 2 * minute, 10 * minute, 30 * minute, hour],
} as const satisfies Record<string, readonly number[]>

export type RetryTable = keyof typeof retryPausesMs

const jitter = 0.2

/** The pause before attempt number `failures + 1`, after `failures` (1 or more) failed ones. */
export function retryPauseMs(table: RetryTable, failures: number, random: Random): number {
  const pauses = retryPausesMs[table]
  const pause = pauses[Math.min(Math.max(failures, 1), pauses.length) - 1] as number
  return Math.round(pause * (1 - jitter + 2 * jitter * random.next()))
}
