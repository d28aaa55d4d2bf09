// Waits for a condition instead of for time: tests poll with a deadline and say what they waited for.
import { setTimeout as delay } from 'node:timers/promises'

export interface PollOptions {
  deadlineMs?: number
  everyMs?: number
  /** What is waited for, for the error. */
  what: string | (() => string)
}

/**
 * Calls `probe` until it returns something other than undefined or false, and returns that. An error of the probe counts as "not yet".
 * @throws Error that names what was waited for and the probe's last error.
 */
export async function eventually<T>(
  probe: () => Promise<T | undefined | false> | T | undefined | false,
  { deadlineMs = 20_000, everyMs = 50, what }: PollOptions,
): Promise<T> {
  const end = performance.now() + deadlineMs
  let last: unknown
  for (;;) {
    try {
      const value = await probe()
      if (value !== undefined && value !== false) return value
      last = undefined
    } catch (error) {
      last = error
    }
    if (performance.now() >= end) {
      throw new Error(
        `not within ${deadlineMs} ms: ${typeof what === 'string' ? what : what()}`,
        last === undefined ? undefined : { cause: last },
      )
    }
    await delay(everyMs)
  }
}

/** Rejects when `promise` has not settled in time; the timer never keeps the process alive. */
export async function within<T>(promise: Promise<T>, deadlineMs: number, what: string | (() => string)): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`not within ${Math.round(deadlineMs)} ms: ${typeof what === 'string' ? what : what()}`))
    }, deadlineMs)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
