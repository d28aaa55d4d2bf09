// CBOR for wire frames and signed documents. Strict: what decodes is plain data, and hostile input throws.
import { decode, encode } from 'cborg'
import { SkeinError } from './errors.ts'

/** Plain data that CBOR carries: maps become objects with string keys, byte strings become Uint8Array. */
export type CborValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | CborValue[]
  | { [key: string]: CborValue | undefined }

/** Encodes `value`; keys whose value is undefined are left out. */
export function encodeCbor(value: unknown): Uint8Array {
  return encode(value, { ignoreUndefinedProperties: true })
}

/** @throws SkeinError `malformed-cbor` for anything that is not exactly one well-formed item. */
export function decodeCbor(bytes: Uint8Array): CborValue {
  try {
    return decode(bytes, { rejectDuplicateMapKeys: true, allowUndefined: false }) as CborValue
  } catch (cause) {
    throw new SkeinError('malformed-cbor', 'refused', 'the data is not well-formed CBOR', cause)
  }
}
