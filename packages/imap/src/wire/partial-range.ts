// A part of many results, counted from the oldest or from the newest (RFC 9394 §4 partial-range).
import { fault } from './syntax-error.ts'

export interface PartialRange {
  /** The smaller of the two numbers, counted from 1. */
  first: number
  last: number
  /** Counted from the newest result backwards. */
  fromEnd: boolean
  /** As the client wrote it: the answer repeats it. */
  text: string
}

const NUMBER_MAX = 0xffff_ffff

export function parsePartialRange(text: string): PartialRange {
  const match = /^(-?)(\d{1,10}):(-?)(\d{1,10})$/.exec(text)
  if (match === null || match[1] !== match[3]) fault('a range like 1:100 or -1:-100 is wanted')
  const [from, to] = [Number(match[2]), Number(match[4])]
  if (from === 0 || to === 0 || from > NUMBER_MAX || to > NUMBER_MAX) fault('a range number is out of bounds')
  return { first: Math.min(from, to), last: Math.max(from, to), fromEnd: match[1] === '-', text }
}

/** Places [start, end) that the range means among `count` results in ascending order. */
export function placesOf(range: PartialRange, count: number): { start: number; end: number } {
  const { first, last, fromEnd } = range
  if (first > count) return { start: 0, end: 0 }
  const end = Math.min(last, count)
  return fromEnd ? { start: count - end, end: count - first + 1 } : { start: first - 1, end }
}
