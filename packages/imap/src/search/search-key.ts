// SEARCH's keys (RFC 9051 §6.4.4) as values, read from the command.
import type { Cursor } from '../wire/cursor.ts'
import { decodeUtf8 } from '../wire/cursor.ts'
import { parseDay } from '../wire/date-time.ts'
import type { DayNumber } from '../wire/date-time.ts'
import type { SequenceSet } from '../wire/sequence-set.ts'
import { fault } from '../wire/syntax-error.ts'
import { fuzzyKey } from './fuzzy.ts'

export type AddressField = 'from' | 'to' | 'cc' | 'bcc'
export type DateField = 'internal' | 'sent' | 'saved'
export type Comparison = 'before' | 'on' | 'since'

export type SearchKey =
  | { kind: 'all' }
  | { kind: 'none' }
  | { kind: 'flag'; flag: string }
  | { kind: 'messages'; set: SequenceSet; by: 'sequence' | 'uid' }
  | { kind: 'date'; field: DateField; comparison: Comparison; day: DayNumber }
  | { kind: 'age'; field: DateField; comparison: 'older' | 'younger'; seconds: number }
  | { kind: 'size'; comparison: 'larger' | 'smaller'; bytes: number }
  | { kind: 'modseq'; least: number }
  | { kind: 'object'; field: 'emailId' | 'threadId'; id: string }
  | { kind: 'address'; field: AddressField; text: string }
  | { kind: 'subject'; text: string }
  | { kind: 'header'; name: string; text: string }
  | { kind: 'body'; text: string }
  | { kind: 'text'; text: string }
  | { kind: 'not'; key: SearchKey }
  | { kind: 'or'; keys: readonly SearchKey[] }
  /** `fuzzy`: what stood after FUZZY; `keys` then are its loosest reading. */
  | { kind: 'and'; keys: readonly SearchKey[]; fuzzy?: SearchKey }

/** Reads what follows the key's name. */
type Reader = (cursor: Cursor) => SearchKey

const flag =
  (name: string, set = true): Reader =>
  () =>
    set ? { kind: 'flag', flag: name } : { kind: 'not', key: { kind: 'flag', flag: name } }

/** Search strings are UTF-8, of which US-ASCII is a part: no other charset is taken. */
function text(cursor: Cursor): string {
  cursor.space()
  return decodeUtf8(cursor.astring())
}

const date =
  (field: DateField, comparison: Comparison): Reader =>
  (cursor) => {
    cursor.space()
    return { kind: 'date', field, comparison, day: parseDay(cursor.astring()) }
  }

const age =
  (comparison: 'older' | 'younger'): Reader =>
  (cursor) => {
    cursor.space()
    return { kind: 'age', field: 'internal', comparison, seconds: cursor.nonZeroNumber() }
  }

const address =
  (field: AddressField): Reader =>
  (cursor) => ({ kind: 'address', field, text: text(cursor) })

const size =
  (comparison: 'larger' | 'smaller'): Reader =>
  (cursor) => {
    cursor.space()
    return { kind: 'size', comparison, bytes: cursor.number63() }
  }

const keyword =
  (set: boolean): Reader =>
  (cursor) => {
    cursor.space()
    // RFC 9051 §9 flag-keyword: an atom, so no system flag.
    return flag(cursor.atom(), set)(cursor)
  }

const object =
  (field: 'emailId' | 'threadId'): Reader =>
  (cursor) => {
    cursor.space()
    return { kind: 'object', field, id: cursor.astring() }
  }

const UID_MAX = 0xffff_ffff

/** Above or below a UID: no `*`, which would always be one of them. */
const uidsBeside =
  (range: (uid: number) => { from: number; to: number }): Reader =>
  (cursor) => {
    cursor.space()
    const found = range(cursor.nonZeroNumber())
    if (found.from > found.to || found.from > UID_MAX) return { kind: 'none' }
    return { kind: 'messages', set: { kind: 'numbers', ranges: [found] }, by: 'uid' }
  }

function operand(cursor: Cursor): SearchKey {
  cursor.space()
  return cursor.nested(() => parseKey(cursor))
}

/** RFC 7162 §3.1.5: may name a flag and its sharing; flags have one MODSEQ together here. */
function modseq(cursor: Cursor): SearchKey {
  cursor.space()
  if (cursor.sees('"')) {
    cursor.string()
    cursor.space()
    if (!['PRIV', 'SHARED', 'ALL'].includes(cursor.keyword())) fault('priv, shared or all is wanted')
    cursor.space()
  }
  return { kind: 'modseq', least: cursor.number63() }
}

const readers: Readonly<Record<string, Reader>> = {
  ALL: () => ({ kind: 'all' }),
  ANSWERED: flag('\\Answered'),
  DELETED: flag('\\Deleted'),
  DRAFT: flag('\\Draft'),
  FLAGGED: flag('\\Flagged'),
  SEEN: flag('\\Seen'),
  UNANSWERED: flag('\\Answered', false),
  UNDELETED: flag('\\Deleted', false),
  UNDRAFT: flag('\\Draft', false),
  UNFLAGGED: flag('\\Flagged', false),
  UNSEEN: flag('\\Seen', false),
  KEYWORD: keyword(true),
  UNKEYWORD: keyword(false),
  // No message is ever recent here.
  RECENT: () => ({ kind: 'none' }),
  NEW: () => ({ kind: 'none' }),
  OLD: () => ({ kind: 'all' }),
  BEFORE: date('internal', 'before'),
  ON: date('internal', 'on'),
  SINCE: date('internal', 'since'),
  SENTBEFORE: date('sent', 'before'),
  SENTON: date('sent', 'on'),
  SENTSINCE: date('sent', 'since'),
  // RFC 8514 §4.3.
  SAVEDBEFORE: date('saved', 'before'),
  SAVEDON: date('saved', 'on'),
  SAVEDSINCE: date('saved', 'since'),
  SAVEDATESUPPORTED: () => ({ kind: 'all' }),
  // RFC 5032.
  OLDER: age('older'),
  YOUNGER: age('younger'),
  LARGER: size('larger'),
  SMALLER: size('smaller'),
  FROM: address('from'),
  TO: address('to'),
  CC: address('cc'),
  BCC: address('bcc'),
  SUBJECT: (cursor) => ({ kind: 'subject', text: text(cursor) }),
  BODY: (cursor) => ({ kind: 'body', text: text(cursor) }),
  TEXT: (cursor) => ({ kind: 'text', text: text(cursor) }),
  HEADER: (cursor) => ({ kind: 'header', name: text(cursor).toLowerCase(), text: text(cursor) }),
  MODSEQ: modseq,
  // RFC 8474 §6.
  EMAILID: object('emailId'),
  THREADID: object('threadId'),
  UID(cursor) {
    cursor.space()
    return { kind: 'messages', set: cursor.sequenceSet(), by: 'uid' }
  },
  // RFC 6203 §3.
  FUZZY: (cursor) => fuzzyKey(operand(cursor)),
  // RFC 9738 §3.4: a page after MESSAGELIMIT.
  UIDAFTER: uidsBeside((uid) => ({ from: uid + 1, to: UID_MAX })),
  UIDBEFORE: uidsBeside((uid) => ({ from: 1, to: uid - 1 })),
  NOT: (cursor) => ({ kind: 'not', key: operand(cursor) }),
  OR: (cursor) => ({ kind: 'or', keys: [operand(cursor), operand(cursor)] }),
}

export function parseKey(cursor: Cursor): SearchKey {
  if (cursor.sees('(')) return { kind: 'and', keys: cursor.list(() => parseKey(cursor)) }
  if (cursor.seesSequenceSet()) return { kind: 'messages', set: cursor.sequenceSet(), by: 'sequence' }
  const name = cursor.keyword()
  const reader = Object.hasOwn(readers, name) ? readers[name] : undefined
  return reader === undefined ? fault('there is no such search key') : reader(cursor)
}

/** Whether `wanted` holds for the key or one within it. */
export function keyHas(key: SearchKey, wanted: (key: SearchKey) => boolean): boolean {
  if (wanted(key)) return true
  if (key.kind === 'not') return keyHas(key.key, wanted)
  if (key.kind === 'or' || key.kind === 'and') return key.keys.some((inner) => keyHas(inner, wanted))
  return false
}
