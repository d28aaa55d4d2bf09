// One thing that one node says of somebody who knocked: the only thing that nodes tell each other about visitors.
// Promises: whatever bytes a peer sends, what comes out is within the limits, or an error; a peer speaks only for itself.
import { SkeinError, decodeCbor, encodeCbor } from '@skein/runtime'
import { judgementKeepLimits, judgementLimits } from './limits.ts'

/**
 * grey: a greylisted sender and recipient. name: what came from a network, good and bad. ban: an address that is sent away.
 * pardon: an operator's word against a ban. use: how much of a limit an address, a user or a recipient has used.
 * login: failed log-ins.
 */
export const judgementKinds = ['grey', 'name', 'ban', 'pardon', 'use', 'login'] as const
export type JudgementKind = (typeof judgementKinds)[number]

export interface JudgementRecord {
  kind: JudgementKind
  key: string
  /** Its author's count; the higher one of the same kind and key is the newer. */
  seq: number
  untilMs: number
  values: readonly number[]
  /** For people; or ''. */
  note: string
}

/** All records of its author with a number above `after` and up to `upTo` that stand now. */
export interface JudgementPush {
  after: number
  upTo: number
  records: JudgementRecord[]
}

export function encodePush({ after, upTo, records }: JudgementPush): Uint8Array {
  return encodeCbor({ after, upTo, records: records.map(packed) })
}

function packed({ kind, key, seq, untilMs, values, note }: JudgementRecord): unknown[] {
  return note === '' ? [kind, key, seq, untilMs, values] : [kind, key, seq, untilMs, values, note]
}

/** @throws SkeinError `bad-judgement`, `malformed-cbor` */
export function decodePush(bytes: Uint8Array, nowMs: number): JudgementPush {
  const push = decodeCbor(bytes)
  if (typeof push !== 'object' || push === null || Array.isArray(push) || push instanceof Uint8Array) throw badPush()
  const { after, upTo, records } = push
  if (!isSequence(after) || !isSequence(upTo) || !Array.isArray(records)) throw badPush()
  if (records.length > judgementLimits.recordsPerPushMax || upTo < after) throw badPush()
  const read = records.map((record) => readRecord(record, nowMs))
  // A kind of a later version means nothing here.
  return { after, upTo, records: read.filter((record) => record !== undefined) }
}

export function encodeRecord(record: JudgementRecord): Uint8Array {
  return encodeCbor(packed(record))
}

/** Undefined: of a kind that this version does not know. @throws SkeinError `bad-judgement`, `malformed-cbor` */
export function decodeRecord(bytes: Uint8Array, nowMs: number): JudgementRecord | undefined {
  return readRecord(decodeCbor(bytes), nowMs)
}

function readRecord(record: unknown, nowMs: number): JudgementRecord | undefined {
  if (!Array.isArray(record)) throw badPush()
  const [kind, key, seq, untilMs, values, note = ''] = record as unknown[]
  if (typeof kind !== 'string' || typeof key !== 'string' || typeof note !== 'string') throw badPush()
  if (!isSequence(seq) || !isFiniteNumber(untilMs) || !Array.isArray(values) || !values.every(isFiniteNumber)) {
    throw badPush()
  }
  const { keyCharactersMax, valuesPerRecordMax, noteCharactersMax } = judgementLimits
  if (key.length > keyCharactersMax || values.length > valuesPerRecordMax || note.length > noteCharactersMax) {
    throw badPush()
  }
  const known = judgementKinds.find((one) => one === kind)
  if (!known) return undefined
  return { kind: known, key, seq, untilMs: Math.min(untilMs, nowMs + judgementKeepLimits[`${known}Ms`]), values, note }
}

function isSequence(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

function isFiniteNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value)
}

function badPush(): SkeinError {
  return new SkeinError('bad-judgement', 'refused', 'that is not a judgement as nodes tell it to each other')
}
