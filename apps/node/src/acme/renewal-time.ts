// When a certificate is due, and when a failed order is tried again. Pure.
import { acmeLimits } from './limits.ts'

export interface Validity {
  notBeforeMs: number
  notAfterMs: number
}

/**
 * So long before the end as the operator says, but never more than a third of its life: what lives for six days is not renewed all the time.
 * @param share in [0, 1): moves each node's time earlier by up to a tenth of that, so that not all order in the same minute
 */
export function renewalTimeMs({ notBeforeMs, notAfterMs }: Validity, renewBeforeMs: number, share: number): number {
  const aheadMs = Math.min(renewBeforeMs, (notAfterMs - notBeforeMs) / 3)
  return notAfterMs - aheadMs * (1 + share / 10)
}

/** RFC 9773 §4.2: some moment in the window that the authority suggests. */
export function suggestedTimeMs({ startMs, endMs }: { startMs: number; endMs: number }, share: number): number {
  return startMs + Math.max(0, endMs - startMs) * share
}

/** @param failures in a row, from 1. @param share in [0, 1). @param retryAfterMs what the authority asked for, which is never undercut */
export function retryPauseMs(failures: number, share: number, retryAfterMs = 0): number {
  const doubled = acmeLimits.retryMs * 2 ** Math.min(failures - 1, 20)
  return Math.max(Math.min(doubled, acmeLimits.retryMaxMs) * (1 + share / 4), retryAfterMs)
}
