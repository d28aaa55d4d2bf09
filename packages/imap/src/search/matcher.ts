// Search keys to functions. Each says true, false, or undefined where it needs more of the message than it was given:
// so that a search opens bodies only of messages about which everything cheaper leaves a doubt.
import {
  foldText,
  foldedAddresses,
  foldedBody,
  foldedHeader,
  foldedHeaderHas,
  foldedMachineHeader,
  foldedPartHeaders,
  isMachineField,
} from '@skein/mail'
import type { MessageIndex } from '@skein/mail'
import type { MessageRecord } from '@skein/mailboxes'
import { dayOf } from '../wire/date-time.ts'
import type { DayNumber } from '../wire/date-time.ts'
import type { Span } from '../view.ts'
import type { TextAnswers, TextKey } from './text-answers.ts'
import type { Comparison, DateField, SearchKey } from './search-key.ts'

/** What is known of one message so far. */
export interface Candidate {
  /** Place in the view, from 0. */
  place: number
  record: MessageRecord
  index?: MessageIndex
  header?: Uint8Array
  whole?: Uint8Array
  /** Folded texts, made once for all keys. */
  headerText?: string
  bodyText?: string
  /** What another thread saw in it, by text key. */
  examined?: readonly boolean[]
}

export type Matcher = (candidate: Candidate) => boolean | undefined

/** How much of a message a key needs at the most. */
export type Need = 'record' | 'index' | 'header' | 'whole'

export interface MatcherSurroundings {
  nowMs: number
  spans(key: SearchKey & { kind: 'messages' }): readonly Span[]
  texts?: TextAnswers | undefined
}

export function needOf(key: SearchKey): Need {
  switch (key.kind) {
    case 'not':
      return needOf(key.key)
    case 'and':
    case 'or':
      return greatest(key.keys.map(needOf))
    case 'address':
    case 'subject':
      return 'index'
    case 'date':
    case 'age':
      return key.field === 'sent' ? 'index' : 'record'
    case 'header':
      return 'header'
    case 'body':
    case 'text':
      return 'whole'
    default:
      return 'record'
  }
}

const order: readonly Need[] = ['record', 'index', 'header', 'whole']

function greatest(needs: readonly Need[]): Need {
  return order[Math.max(0, ...needs.map((need) => order.indexOf(need)))] as Need
}

export function matcherOf(key: SearchKey, around: MatcherSurroundings): Matcher {
  switch (key.kind) {
    case 'all':
      return () => true
    case 'none':
      return () => false
    case 'flag':
      return flagMatcher(key.flag)
    case 'messages':
      return spanMatcher(around.spans(key))
    case 'size':
      return key.comparison === 'larger'
        ? ({ record }) => record.size > key.bytes
        : ({ record }) => record.size < key.bytes
    case 'modseq':
      return ({ record }) => record.modseq >= key.least
    case 'object':
      return ({ record }) => record[key.field] === key.id
    case 'date':
      return dateMatcher(key.field, key.comparison, key.day)
    case 'age':
      return ageMatcher(key.comparison, around.nowMs - key.seconds * 1000)
    case 'not': {
      const inner = matcherOf(key.key, around)
      return (candidate) => negated(inner(candidate))
    }
    case 'and':
      return allOf(inCostOrder(key.keys).map((inner) => matcherOf(inner, around)))
    case 'or':
      return anyOf(inCostOrder(key.keys).map((inner) => matcherOf(inner, around)))
    default: {
      const { texts } = around
      const plain = textMatcher(key)
      return texts === undefined ? plain : (candidate) => texts.knows(key, candidate) ?? plain(candidate)
    }
  }
}

function inCostOrder(keys: readonly SearchKey[]): SearchKey[] {
  return keys.toSorted((a, b) => order.indexOf(needOf(a)) - order.indexOf(needOf(b)))
}

function negated(value: boolean | undefined): boolean | undefined {
  return value === undefined ? undefined : !value
}

function allOf(matchers: readonly Matcher[]): Matcher {
  return (candidate) => {
    let doubt = false
    for (const matcher of matchers) {
      const value = matcher(candidate)
      if (value === false) return false
      if (value === undefined) doubt = true
    }
    return doubt ? undefined : true
  }
}

function anyOf(matchers: readonly Matcher[]): Matcher {
  return (candidate) => {
    let doubt = false
    for (const matcher of matchers) {
      const value = matcher(candidate)
      if (value === true) return true
      if (value === undefined) doubt = true
    }
    return doubt ? undefined : false
  }
}

function flagMatcher(flag: string): Matcher {
  if (flag.startsWith('\\')) return ({ record }) => record.flags.includes(flag)
  const lower = flag.toLowerCase()
  return ({ record }) => record.flags.some((held) => held.toLowerCase() === lower)
}

function spanMatcher(spans: readonly Span[]): Matcher {
  return ({ place }) => {
    let low = 0
    let high = spans.length - 1
    while (low <= high) {
      const middle = (low + high) >>> 1
      const span = spans[middle] as Span
      if (place < span.first) high = middle - 1
      else if (place > span.last) low = middle + 1
      else return true
    }
    return false
  }
}

function dateMatcher(field: DateField, comparison: Comparison, day: DayNumber): Matcher {
  const compare = (found: DayNumber | null) => {
    if (found === null) return false
    return comparison === 'before' ? found < day : comparison === 'on' ? found === day : found >= day
  }
  if (field === 'internal') return ({ record }) => compare(dayOf(record.internalDateMs))
  if (field === 'saved') return ({ record }) => compare(dayOf(record.savedDateMs))
  return ({ index }) => (index === undefined ? undefined : compare(sentDay(index)))
}

/** The calendar day that the sender wrote, whatever the time zone (RFC 9051 §6.4.4 SENTBEFORE). */
function sentDay(index: MessageIndex): DayNumber | null {
  if (index.dateMs === null) return null
  const zone = /([+-])(\d\d)(\d\d)\s*(?:\(.*\)\s*)?$/.exec(index.envelope.date ?? '')
  const minutes = zone === null ? 0 : (Number(zone[2]) * 60 + Number(zone[3])) * (zone[1] === '-' ? -1 : 1)
  return dayOf(index.dateMs + minutes * 60_000)
}

function ageMatcher(comparison: 'older' | 'younger', edgeMs: number): Matcher {
  return comparison === 'older'
    ? ({ record }) => record.internalDateMs <= edgeMs
    : ({ record }) => record.internalDateMs >= edgeMs
}

function textMatcher(key: TextKey): Matcher {
  const wanted = foldText(key.text)
  switch (key.kind) {
    case 'subject':
      return ({ index }) => (index === undefined ? undefined : foldText(index.subject).includes(wanted))
    case 'address':
      return ({ index }) =>
        index === undefined ? undefined : foldedAddresses(index.envelope[key.field]).includes(wanted)
    case 'header': {
      const name = foldText(key.name)
      const lines = isMachineField(key.name)
        ? ({ header }: Candidate) => (header === undefined ? '' : foldedMachineHeader(header))
        : headerText
      return (candidate) =>
        candidate.header === undefined ? undefined : foldedHeaderHas(lines(candidate), name, wanted)
    }
    case 'body':
      return (candidate) => (candidate.whole === undefined ? undefined : bodyText(candidate).includes(wanted))
    default:
      return (candidate) => {
        if (candidate.header !== undefined && headerText(candidate).includes(wanted)) return true
        if (candidate.whole === undefined) return undefined
        return partsText(candidate).includes(wanted) || bodyText(candidate).includes(wanted)
      }
  }
}

function headerText(candidate: Candidate): string {
  candidate.headerText ??= candidate.header === undefined ? '' : foldedHeader(candidate.header)
  return candidate.headerText
}

/** RFC 9051 §6.4.4: TEXT looks through MIME header fields too. */
function partsText({ whole, index }: Candidate): string {
  return whole === undefined || index === undefined ? '' : foldedPartHeaders(whole, index)
}

function bodyText(candidate: Candidate): string {
  const { whole, index } = candidate
  if (whole === undefined || index === undefined) return ''
  candidate.bodyText ??= foldedBody(whole, index)
  return candidate.bodyText
}
