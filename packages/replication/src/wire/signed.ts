// A signed record: CBOR [payload, signature]. The payload's exact bytes are what is signed, stored, forwarded and verified;
// nobody ever encodes it again. The context keeps a signature for one purpose from serving another.
import { decodeCbor, encodeCbor } from '@skein/runtime'
import { sha256, signatureBytes } from '../identity.ts'
import { bytesOf, listOf } from './fields.ts'

export type SignatureContext = 'membership' | 'batch' | 'checkpoint' | 'join' | 'promise'

/** The bytes that the signature is over. */
export function signedBytes(context: SignatureContext, payload: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from(`skein/1/${context}\0`, 'latin1'), payload])
}

export function seal(
  context: SignatureContext,
  payload: Uint8Array,
  sign: (bytes: Uint8Array) => Uint8Array,
): Uint8Array {
  return encodeCbor([payload, sign(signedBytes(context, payload))])
}

export interface OpenedRecord {
  payload: Uint8Array
  signature: Uint8Array
  /** SHA-256 of the payload: the record's name. */
  hash: Uint8Array
}

/** Takes the record apart without judging the signature. @throws SkeinError `malformed-cbor`, `malformed-record` */
export function openRecord(bytes: Uint8Array): OpenedRecord {
  const parts = listOf(decodeCbor(bytes), 'signed record', 2)
  const payload = bytesOf(parts[0], 'payload')
  return { payload, signature: bytesOf(parts[1], 'signature', signatureBytes), hash: sha256(payload) }
}
