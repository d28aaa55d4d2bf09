// Folded text to the terms that stand for it, and a wanted string to what messages that hold it must have.
// Promises: whatever holds the string as a part meets all its demands; where `exact`, nothing else does.

/** Between words. */
const GAP = 0
/** Letters and digits of scripts that put blanks between words. */
const WORD = 1
/** Joins words to addresses, hosts, dates, numbers: both the words and the whole are terms. */
const JOIN = 2
/** A script without blanks between words: every two neighbours are a term; one alone is too. */
const DENSE = 3
/** A term by itself. */
const SIGN = 4
/** Half of a character: look at the whole. */
const HALF = 5

/** Longer runs become overlapping windows, so that whatever is not longer than `PROBE` lies within one. */
const WINDOW = 128
const STEP = 96
const PROBE = 30

const dense =
  /^[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Bopomofo}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}\u30fc]$/u
/** Voicing marks of kana, taken apart from their letters. */
const isVoicing = (code: number) => code === 0x3099 || code === 0x309a
const word = /^[\p{L}\p{M}\p{N}]$/u
const blank = /^[\p{Z}\p{C}]$/u

function classOf(code: number): number {
  if (code < 128) {
    const char = String.fromCharCode(code)
    if (/[a-z0-9]/i.test(char)) return WORD
    return '@._-'.includes(char) ? JOIN : GAP
  }
  if (code >= 0xd800 && code <= 0xdfff) return HALF
  const char = String.fromCodePoint(code)
  if (dense.test(char) || isVoicing(code)) return DENSE
  if (word.test(char)) return WORD
  return blank.test(char) ? GAP : SIGN
}

const UNKNOWN = 255
const classes = new Uint8Array(65_536).fill(UNKNOWN)

/** The class of the character at `at`; for one of two halves, of the whole (which then takes two places). */
function classAt(text: string, at: number): number {
  const code = text.charCodeAt(at)
  let found = classes[code] as number
  if (found === UNKNOWN) {
    found = classOf(code)
    classes[code] = found
  }
  if (found !== HALF) return found
  const whole = text.codePointAt(at) as number
  // A half alone matches nothing that a person can type.
  return whole > 0xffff ? classOf(whole) : GAP
}

function widthAt(text: string, at: number): number {
  const code = text.charCodeAt(at)
  return code >= 0xd800 && code <= 0xdbff && (text.codePointAt(at) as number) > 0xffff ? 2 : 1
}

/** Calls `found` for each term, again for each time it stands there. */
export function eachTerm(text: string, found: (term: string) => void): void {
  const { length } = text
  for (let at = 0; at < length;) {
    const kind = classAt(text, at)
    if (kind === WORD) at = words(text, at, found)
    else if (kind === DENSE) at = pairs(text, at, found)
    else {
      const end = at + widthAt(text, at)
      if (kind === SIGN) found(text.slice(at, end))
      at = end
    }
  }
}

/** A run of words and what joins them, which starts with a word. */
function words(text: string, start: number, found: (term: string) => void): number {
  const { length } = text
  let wordStart = start
  let wordEnd = start
  let at = start
  let joined = false
  while (at < length) {
    const kind = classAt(text, at)
    if (kind === WORD) {
      if (wordStart < 0) {
        wordStart = at
        joined = true
      }
      at += widthAt(text, at)
      wordEnd = at
    } else if (kind === JOIN) {
      if (wordStart >= 0) windows(text, wordStart, at, found)
      wordStart = -1
      at += 1
    } else break
  }
  if (wordStart >= 0) windows(text, wordStart, wordEnd, found)
  if (joined) windows(text, start, wordEnd, found)
  return at
}

function windows(text: string, start: number, end: number, found: (term: string) => void): void {
  if (end - start <= WINDOW) return found(text.slice(start, end))
  for (let at = start; ; at += STEP) {
    // Never between two halves.
    const from = isLowHalf(text, at) ? at - 1 : at
    const to = Math.min(end, isLowHalf(text, at + WINDOW) ? at + WINDOW - 1 : at + WINDOW)
    found(text.slice(from, to))
    if (to === end) return
  }
}

function isLowHalf(text: string, at: number): boolean {
  const code = text.charCodeAt(at)
  return code >= 0xdc00 && code <= 0xdfff
}

function pairs(text: string, start: number, found: (term: string) => void): number {
  let at = start + widthAt(text, start)
  if (at >= text.length || classAt(text, at) !== DENSE) {
    found(text.slice(start, at))
    return at
  }
  let before = start
  while (at < text.length && classAt(text, at) === DENSE) {
    const next = at + widthAt(text, at)
    found(text.slice(before, next))
    before = at
    at = next
  }
  return at
}

/** What a term must be like: hold the text, be it, or have it at its start or end. */
export interface Demand {
  text: string
  how: 'holds' | 'is' | 'starts' | 'ends'
}

export interface Probe {
  /** Each must be met by some term of the message. None: nothing is known without the text. */
  demands: Demand[]
  /** Meeting them is holding the string. */
  exact: boolean
}

/** @param wanted folded */
export function probeOf(wanted: string): Probe {
  const demands = new Map<string, Demand>()
  let covered = false
  const add = (text: string, how: Demand['how']) => {
    const cut = text.length > PROBE
    const demand: Demand = cut ? { text: cutWhole(text, PROBE), how: 'holds' } : { text, how }
    demands.set(`${demand.how} ${demand.text}`, demand)
  }
  const { length } = wanted
  for (let at = 0; at < length;) {
    const kind = classAt(wanted, at)
    if (kind === WORD) {
      const end = probeWords(wanted, at, add)
      // The joining signs at either end are in no term.
      covered = at === 0 && end === length && length <= PROBE && classAt(wanted, length - 1) !== JOIN
      at = end
    } else if (kind === DENSE) {
      const end = probePairs(wanted, at, add)
      covered = at === 0 && end === length && isPairAtMost(wanted)
      at = end
    } else {
      const end = at + widthAt(wanted, at)
      if (kind === SIGN) add(wanted.slice(at, end), 'is')
      covered = kind === SIGN && at === 0 && end === length
      at = end
    }
  }
  return { demands: [...demands.values()], exact: covered && demands.size === 1 }
}

/** One character or two. */
function isPairAtMost(text: string): boolean {
  const first = widthAt(text, 0)
  return text.length === first || text.length === first + widthAt(text, first)
}

function cutWhole(text: string, lengthMax: number): string {
  return text.slice(0, isLowHalf(text, lengthMax) ? lengthMax - 1 : lengthMax)
}

function probeWords(wanted: string, start: number, add: (text: string, how: Demand['how']) => void): number {
  let at = start
  let end = start
  while (at < wanted.length) {
    const kind = classAt(wanted, at)
    if (kind !== WORD && kind !== JOIN) break
    at += widthAt(wanted, at)
    if (kind === WORD) end = at
  }
  const joined = hasJoin(wanted, start, end)
  const text = wanted.slice(start, end)
  // What stands at an end of the string may go on in the message.
  const openLeft = start === 0
  const openRight = end === wanted.length
  if (joined || (openLeft && openRight)) add(text, 'holds')
  else if (openLeft) add(text, 'ends')
  else if (openRight) add(text, 'starts')
  else add(text, 'is')
  return at
}

function hasJoin(text: string, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (classAt(text, at) === JOIN) return true
  return false
}

function probePairs(wanted: string, start: number, add: (text: string, how: Demand['how']) => void): number {
  let at = start + widthAt(wanted, start)
  let before = start
  let count = 0
  while (at < wanted.length && classAt(wanted, at) === DENSE) {
    const next = at + widthAt(wanted, at)
    add(wanted.slice(before, next), 'is')
    count += 1
    before = at
    at = next
  }
  if (count === 0) add(wanted.slice(start, at), start > 0 && at < wanted.length ? 'is' : 'holds')
  return at
}
