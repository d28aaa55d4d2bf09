// Whom a letter is for: every address of its envelope after aliases and forwards, each end once, and what became of those
// that lead nowhere. A letter that came back from a forward stays in the mailbox of whoever sends his mail on.
import type { Directory } from '@skein/accounts'
import { expandAddress, queueAddress, type Expansion, type ExpansionSettings, type Refusal } from './route.ts'

export interface Addressed {
  address: string
  /** As given at RCPT. */
  original: string
  /** See QueueRecipient. */
  forwardedFor?: string
  /** Went in a circle: nobody gets it, and its sender hears of it. */
  lost?: Refusal
}

/** @param passedOver is told of dead ends beside live ones. */
export function addressLetter(
  directory: Directory,
  recipients: readonly string[],
  settings: ExpansionSettings,
  passedOver: (original: string, refusals: Expansion['refusals']) => void,
): Addressed[] {
  const found = new Map<string, Addressed>()
  for (const original of recipients) {
    const { targets, forwarded, refusals } = expandAddress(directory, original, settings)
    for (const address of targets) {
      const known = found.get(address)
      const forwardedFor = forwarded.get(address)
      // Whom the sender named himself gets it from him.
      if (known && (known.forwardedFor === undefined || forwardedFor !== undefined) && !known.lost) continue
      found.set(address, { address, original, ...(forwardedFor !== undefined && { forwardedFor }) })
    }
    if (targets.length > 0) {
      if (refusals.length > 0) passedOver(original, refusals)
      continue
    }
    const address = queueAddress(directory, original) ?? original
    if (found.has(address)) continue
    // Whoever the map has lost since RCPT stays, so that the sender hears of it. What goes in a circle must not go on.
    const loop = refusals.find(({ refusal }) => refusal.status === '5.4.6')
    found.set(address, { address, original, ...(loop && { lost: loop.refusal }) })
  }
  return [...found.values()]
}
