// Sets of message numbers (RFC 9051 §9 sequence-set): reading, ordering, writing.
import { fault } from './syntax-error.ts'

/** From lowest to highest, both included. */
export interface NumberRange {
  first: number
  last: number
}

/** `*` in a set that has been read, before the mailbox is known. */
const STAR = 0

export type SequenceSet =
  | { kind: 'numbers'; ranges: readonly { from: number; to: number }[] }
  /** `$`: the result of the last SEARCH RETURN (SAVE) (RFC 5182). */
  | { kind: 'saved' }

const NUMBER_MAX = 0xffff_ffff

export function parseSequenceSet(text: string): SequenceSet {
  if (text === '$') return { kind: 'saved' }
  const ranges: { from: number; to: number }[] = []
  let at = 0
  const number = (): number => {
    if (text.charCodeAt(at) === 0x2a) {
      at++
      return STAR
    }
    const start = at
    let value = 0
    for (let code = text.charCodeAt(at); code >= 0x30 && code <= 0x39; code = text.charCodeAt(at)) {
      value = value * 10 + (code - 0x30)
      at++
      if (value > NUMBER_MAX) fault('a message number is out of range')
    }
    if (at === start || value === 0) fault('a message number is wanted')
    return value
  }
  for (;;) {
    const from = number()
    let to = from
    if (text.charCodeAt(at) === 0x3a) {
      at++
      to = number()
    }
    ranges.push({ from, to })
    if (at === text.length) return { kind: 'numbers', ranges }
    if (text.charCodeAt(at++) !== 0x2c) fault('the set of message numbers is malformed')
  }
}

/** True where the set names no number itself, only `*`: legal even in an empty mailbox. */
export function isOpenEnded(range: { from: number; to: number }): boolean {
  return range.from === STAR || range.to === STAR
}

/** Ascending, joined ranges, with `*` read as `largest`; where `largest` is 0, ranges with `*` are left out. */
export function resolveSet(ranges: readonly { from: number; to: number }[], largest: number): NumberRange[] {
  const ordered: NumberRange[] = []
  for (const range of ranges) {
    if (largest === 0 && isOpenEnded(range)) continue
    const from = range.from === STAR ? largest : range.from
    const to = range.to === STAR ? largest : range.to
    ordered.push(from <= to ? { first: from, last: to } : { first: to, last: from })
  }
  if (ordered.length < 2) return ordered
  ordered.sort((a, b) => a.first - b.first)
  const joined: NumberRange[] = []
  for (const range of ordered) {
    const before = joined[joined.length - 1]
    if (before !== undefined && range.first <= before.last + 1) before.last = Math.max(before.last, range.last)
    else joined.push(range)
  }
  return joined
}

/** The numbers of `set` (all where there is none) that have been given out: those below `next`. */
export function rangesBelow(set: SequenceSet | undefined, next: number): NumberRange[] {
  const last = next - 1
  if (last < 1 || set?.kind === 'saved') return []
  if (set === undefined) return [{ first: 1, last }]
  return resolveSet(set.ranges, last)
    .filter((range) => range.first <= last)
    .map((range) => ({ first: range.first, last: Math.min(range.last, last) }))
}

/** The shortest form of ascending numbers: `1:3,7`. */
export function formatNumbers(numbers: Iterable<number>): string {
  let text = ''
  let first = 0
  let last = 0
  const close = () => {
    if (first === 0) return
    if (text !== '') text += ','
    text += first === last ? String(first) : `${first}:${last}`
  }
  for (const number of numbers) {
    if (number === last + 1 && first !== 0) {
      last = number
      continue
    }
    close()
    first = number
    last = number
  }
  close()
  return text
}

export function formatRanges(ranges: Iterable<NumberRange>): string {
  let text = ''
  for (const range of ranges) {
    if (text !== '') text += ','
    text += range.first === range.last ? String(range.first) : `${range.first}:${range.last}`
  }
  return text
}

/** The numbers of `within` (ascending, joined) that `present` (ascending) does not hold. */
export function absentNumbers(within: readonly NumberRange[], present: Iterable<number>): NumberRange[] {
  const absent: NumberRange[] = []
  const iterator = present[Symbol.iterator]()
  let next = iterator.next()
  for (const range of within) {
    let at = range.first
    while (next.done !== true && next.value < at) next = iterator.next()
    while (next.done !== true && next.value <= range.last) {
      if (next.value > at) absent.push({ first: at, last: next.value - 1 })
      at = next.value + 1
      next = iterator.next()
    }
    if (at <= range.last) absent.push({ first: at, last: range.last })
  }
  return absent
}
