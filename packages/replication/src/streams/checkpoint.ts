// An author's word on what a document of its holds at one point: header (signed) and snapshot (named by its hash in the header).
// A newcomer takes these instead of the whole history; everybody else makes the same snapshot from what it has.
import { encodeCbor, SkeinError } from '@skein/runtime'
import type { NodeId } from '@skein/runtime'
import { hex } from '../identity.ts'
import { ledgerLimits } from '../limits.ts'
import { bytesListOf, bytesOf, countOf, decodeMap } from '../wire/fields.ts'
import { openRecord, seal } from '../wire/signed.ts'
import { openStreamRecord } from './batch.ts'

export interface Checkpoint {
  hash: string
  bytes: Uint8Array
  author: NodeId
  document: string
  /** The snapshot holds the batches up to this one. */
  seq: number
  /** Hashes of the last batches that it holds. */
  tips: string[]
  time: number
  snapshotHash: string
  snapshotBytes: number
}

export function writeCheckpoint(
  checkpoint: Omit<Checkpoint, 'hash' | 'bytes'> & { meshId: string },
  sign: (bytes: Uint8Array) => Uint8Array,
): Checkpoint {
  const payload = encodeCbor({
    v: 1,
    m: Buffer.from(checkpoint.meshId, 'hex'),
    a: checkpoint.author,
    d: checkpoint.document,
    s: checkpoint.seq,
    p: checkpoint.tips.map((hash) => Buffer.from(hash, 'hex')),
    t: checkpoint.time,
    h: Buffer.from(checkpoint.snapshotHash, 'hex'),
    n: checkpoint.snapshotBytes,
  })
  const bytes = seal('checkpoint', payload, sign)
  const { author, document, seq, tips, time, snapshotHash, snapshotBytes } = checkpoint
  const hash = hex(openRecord(bytes).hash)
  return { hash, bytes, author, document, seq, tips, time, snapshotHash, snapshotBytes }
}

/** The ends that a stored header names: it was verified when it came in. */
export function storedCheckpointTips(bytes: Uint8Array): { seq: number; hash: string }[] {
  const map = decodeMap(openRecord(bytes).payload)
  const seq = countOf(map['s'], 'sequence number')
  return bytesListOf(map['p'], 'tips', 32, 64).map((hash) => ({ seq, hash: hex(hash) }))
}

/** @throws SkeinError `malformed-cbor`, `malformed-record`, `wrong-mesh`, `bad-signature`, `record-too-long` */
export function readCheckpoint(bytes: Uint8Array, meshId: string): Checkpoint {
  const { map, hash, author, document, seq } = openStreamRecord('checkpoint', bytes, meshId)
  const snapshotBytes = countOf(map['n'], 'snapshot length')
  if (snapshotBytes > ledgerLimits.snapshotBytesMax) {
    throw new SkeinError('record-too-long', 'refused', `the snapshot of ${document} is too long`)
  }
  return {
    hash,
    bytes,
    author,
    document,
    seq,
    tips: bytesListOf(map['p'], 'tips', 32, 64).map(hex),
    time: countOf(map['t'], 'time'),
    snapshotHash: hex(bytesOf(map['h'], 'snapshot hash', 32)),
    snapshotBytes,
  }
}
