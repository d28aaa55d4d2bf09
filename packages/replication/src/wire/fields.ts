// Reading decoded CBOR that a stranger may have written: each field is checked for its shape before it is used.
import { decodeCbor, SkeinError } from '@skein/runtime'
import type { CborValue } from '@skein/runtime'

export type CborMap = { [key: string]: CborValue | undefined }

export function malformed(what: string): SkeinError {
  return new SkeinError('malformed-record', 'refused', `the record is malformed: ${what}`)
}

export function isMap(value: CborValue | undefined): value is CborMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array)
}

export function decodeMap(bytes: Uint8Array): CborMap {
  const value = decodeCbor(bytes)
  if (!isMap(value)) throw malformed('not a map')
  return value
}

export function bytesOf(value: CborValue | undefined, what: string, length?: number): Uint8Array {
  if (!(value instanceof Uint8Array) || (length !== undefined && value.length !== length)) throw malformed(what)
  return value
}

export function textOf(value: CborValue | undefined, what: string, charactersMax = 1024): string {
  if (typeof value !== 'string' || value.length > charactersMax) throw malformed(what)
  return value
}

/** A whole number from 0 to 2^53 - 1. */
export function countOf(value: CborValue | undefined, what: string): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw malformed(what)
  return value
}

export function listOf(value: CborValue | undefined, what: string, itemsMax = 100_000): CborValue[] {
  if (!Array.isArray(value) || value.length > itemsMax) throw malformed(what)
  return value
}

export function mapOf(value: CborValue | undefined, what: string): CborMap {
  if (!isMap(value)) throw malformed(what)
  return value
}

export function bytesListOf(
  value: CborValue | undefined,
  what: string,
  length?: number,
  itemsMax?: number,
): Uint8Array[] {
  return listOf(value, what, itemsMax).map((item) => bytesOf(item, what, length))
}

export function textListOf(value: CborValue | undefined, what: string, itemsMax = 1000): string[] {
  return listOf(value, what, itemsMax).map((item) => textOf(item, what))
}
