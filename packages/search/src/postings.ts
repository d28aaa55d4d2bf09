// Which messages of a segment have a term, where in them, and how often: numbers of seven bits a byte.
// One posting: the step from the message before, times two, plus one where the term stands once, in the body only;
// else the mask follows, with its high bit set where a count follows that.
import type { GrowingBytes } from './growing.ts'
import { BODY_MASK } from './letter.ts'
import { IndexDamaged } from './paged-file.ts'

export function putPosting(bytes: GrowingBytes, step: number, mask: number, count: number): void {
  if (mask === BODY_MASK && count === 1) return bytes.number(step * 2 + 1)
  bytes.number(step * 2)
  bytes.byte(count > 1 ? mask | 128 : mask)
  if (count > 1) bytes.number(count)
}

/** Calls `found` for each message of the list in `bytes` [start, end). @throws IndexDamaged */
export function eachPosting(
  bytes: Uint8Array,
  start: number,
  end: number,
  found: (letter: number, mask: number, count: number) => void,
): void {
  let letter = 0
  let at = start
  while (at < end) {
    let byte = bytes[at++] as number
    let step = byte & 127
    for (let shift = 7; byte > 127; shift += 7) {
      if (at >= end) throw new IndexDamaged('a posting is cut short')
      byte = bytes[at++] as number
      step |= (byte & 127) << shift
    }
    letter += step >>> 1
    if ((step & 1) === 1) {
      found(letter, BODY_MASK, 1)
      continue
    }
    const mask = bytes[at++] as number
    let count = 1
    if (mask > 127) {
      byte = bytes[at++] as number
      count = byte & 127
      for (let shift = 7; byte > 127; shift += 7) {
        if (at >= end) throw new IndexDamaged('a posting is cut short')
        byte = bytes[at++] as number
        count |= (byte & 127) << shift
      }
    }
    found(letter, mask & 127, count)
  }
}

/** Marks in `masks`, by message, where any of the list's terms stands. As `eachPosting`, without a call for each. */
export function markPostings(bytes: Uint8Array, start: number, end: number, masks: Uint8Array): void {
  let letter = 0
  let at = start
  while (at < end) {
    let byte = bytes[at++] as number
    let step = byte & 127
    for (let shift = 7; byte > 127; shift += 7) {
      if (at >= end) throw new IndexDamaged('a posting is cut short')
      byte = bytes[at++] as number
      step |= (byte & 127) << shift
    }
    letter += step >>> 1
    if (letter >= masks.length) throw new IndexDamaged('a posting of no message')
    if ((step & 1) === 1) {
      masks[letter] = (masks[letter] as number) | BODY_MASK
      continue
    }
    const mask = bytes[at++] as number
    masks[letter] = (masks[letter] as number) | (mask & 127)
    if (mask > 127) while ((bytes[at++] as number) > 127);
  }
}
