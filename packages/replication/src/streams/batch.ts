// One transaction of one node on one document: the unit that is signed, made durable, sent, stored and forwarded as the same bytes.
import { encodeCbor, SkeinError } from '@skein/runtime'
import type { NodeId } from '@skein/runtime'
import { hex, verifiedBy } from '../identity.ts'
import { ledgerLimits } from '../limits.ts'
import { bytesListOf, bytesOf, countOf, decodeMap, malformed, textOf } from '../wire/fields.ts'
import { openRecord, seal, signedBytes } from '../wire/signed.ts'
import type { SignatureContext } from '../wire/signed.ts'

export interface Batch {
  /** Hex SHA-256 of the payload. */
  hash: string
  bytes: Uint8Array
  author: NodeId
  document: string
  /** From 1. */
  seq: number
  /** Hashes of the batches that it follows: one, none at the start, more after two lines of one node met. */
  previous: string[]
  /** Hybrid time in microseconds. */
  time: number
  /** Yjs update, format V2. */
  update: Uint8Array
}

export function isDocumentName(text: string): boolean {
  return /^[a-z][a-z0-9-]{0,31}(?:\/[a-z0-9-]{1,64})?$/.test(text)
}

export function writeBatch(
  batch: Omit<Batch, 'hash' | 'bytes'> & { meshId: string },
  sign: (bytes: Uint8Array) => Uint8Array,
): Batch {
  const payload = encodeCbor({
    v: 1,
    m: Buffer.from(batch.meshId, 'hex'),
    a: batch.author,
    d: batch.document,
    s: batch.seq,
    p: batch.previous.map((hash) => Buffer.from(hash, 'hex')),
    t: batch.time,
    u: batch.update,
  })
  const bytes = seal('batch', payload, sign)
  const { author, document, seq, previous, time, update } = batch
  return { hash: hex(openRecord(bytes).hash), bytes, author, document, seq, previous, time, update }
}

/** What both kinds of signed stream record share: checked for mesh, names and signature. */
export function openStreamRecord(
  context: SignatureContext,
  bytes: Uint8Array,
  meshId: string,
): { map: ReturnType<typeof decodeMap>; hash: string; author: NodeId; document: string; seq: number } {
  const opened = openRecord(bytes)
  const map = decodeMap(opened.payload)
  if (hex(bytesOf(map['m'], 'mesh id', 32)) !== meshId) {
    throw new SkeinError('wrong-mesh', 'refused', 'the record belongs to another mesh')
  }
  const author = textOf(map['a'], 'author', 64)
  const document = textOf(map['d'], 'document', 128)
  const seq = countOf(map['s'], 'sequence number')
  if (!isDocumentName(document) || seq < 1) throw malformed('document or sequence number')
  if (!verifiedBy(author, signedBytes(context, opened.payload), opened.signature)) {
    throw new SkeinError('bad-signature', 'refused', `the signature of a record of ${document} does not hold`)
  }
  return { map, hash: hex(opened.hash), author, document, seq }
}

/**
 * Decodes a batch and verifies that its author signed it: nothing of it may be used before that.
 * Whether the author is a member is the caller's to judge.
 * @throws SkeinError `malformed-cbor`, `malformed-record`, `wrong-mesh`, `bad-signature`, `record-too-long`
 */
export function readBatch(bytes: Uint8Array, meshId: string): Batch {
  if (bytes.length > ledgerLimits.batchBytesMax) {
    throw new SkeinError('record-too-long', 'refused', 'the batch is too long')
  }
  const { map, hash, author, document, seq } = openStreamRecord('batch', bytes, meshId)
  return {
    hash,
    bytes,
    author,
    document,
    seq,
    previous: bytesListOf(map['p'], 'previous', 32, 64).map(hex),
    time: countOf(map['t'], 'time'),
    update: bytesOf(map['u'], 'update'),
  }
}

/** A batch from this node's own store: verified when it came in. */
export function readStoredUpdate(bytes: Uint8Array): Uint8Array {
  return bytesOf(decodeMap(openRecord(bytes).payload)['u'], 'update')
}
