// What nodes say to each other on the `log` service: CBOR arrays, the first element says what it is. Elements that follow the known
// ones are ignored, so that later versions may add some.
import { decodeCbor, encodeCbor } from '@skein/runtime'
import type { CborValue, NodeId } from '@skein/runtime'
import { fromHex, hex } from '../identity.ts'
import type { StreamName } from '../ports.ts'
import { isDocumentName } from '../streams/batch.ts'
import type { StreamState, Tip } from '../streams/stream.ts'
import { bytesListOf, bytesOf, countOf, listOf, malformed, mapOf, textListOf, textOf } from '../wire/fields.ts'

/** How far one stream goes at a peer. */
export interface Head {
  stream: StreamName
  checkpointSeq: number
  tips: Tip[]
}

export type LogRequest =
  | { kind: 'compare'; membership: string; streams: string }
  | { kind: 'members'; tips: string[] }
  | { kind: 'heads'; authors: NodeId[] }
  | { kind: 'want'; streams: { stream: StreamName; above: number }[] }
  | { kind: 'snapshot'; stream: StreamName; hash: string; offset: number }
  | {
      kind: 'push'
      /** Short ids of all whom the news reaches without the receiver's help; null: every member. */
      reach: string[] | null
      membership: Uint8Array[]
      batches: Uint8Array[]
      checkpoints: Uint8Array[]
      /** There is more than is sent here: compare. */
      compare: boolean
    }

const codes = { compare: 1, members: 2, heads: 3, want: 4, snapshot: 5, push: 6 } as const

export function encodeLogRequest(request: LogRequest): Uint8Array {
  const code = codes[request.kind]
  switch (request.kind) {
    case 'compare':
      return encodeCbor([code, request.membership, request.streams])
    case 'members':
      return encodeCbor([code, request.tips.map(fromHex)])
    case 'heads':
      return encodeCbor([code, request.authors])
    case 'want':
      return encodeCbor([code, request.streams.map(({ stream, above }) => [stream.author, stream.document, above])])
    case 'snapshot':
      return encodeCbor([code, request.stream.author, request.stream.document, fromHex(request.hash), request.offset])
    default: {
      const { reach, membership, batches, checkpoints, compare } = request
      return encodeCbor([code, reach && reach.map(fromHex), membership, batches, checkpoints, compare])
    }
  }
}

function streamOf(author: CborValue | undefined, document: CborValue | undefined): StreamName {
  const name = textOf(document, 'document', 128)
  if (!isDocumentName(name)) throw malformed('document')
  return { author: textOf(author, 'author', 64), document: name }
}

/** @throws SkeinError `malformed-cbor`, `malformed-record` */
export function decodeLogRequest(bytes: Uint8Array): LogRequest {
  const [code, first, second, third, fourth, fifth] = listOf(decodeCbor(bytes), 'request', 32)
  switch (code) {
    case codes.compare:
      return { kind: 'compare', membership: textOf(first, 'digest', 64), streams: textOf(second, 'digest', 64) }
    case codes.members:
      return { kind: 'members', tips: bytesListOf(first, 'tips', 32, 1000).map(hex) }
    case codes.heads:
      return { kind: 'heads', authors: textListOf(first, 'authors') }
    case codes.want:
      return {
        kind: 'want',
        streams: listOf(first, 'streams', 10_000).map((item) => {
          const [author, document, above] = listOf(item, 'stream', 8)
          return { stream: streamOf(author, document), above: countOf(above, 'sequence number') }
        }),
      }
    case codes.snapshot:
      return {
        kind: 'snapshot',
        stream: streamOf(first, second),
        hash: hex(bytesOf(third, 'hash', 32)),
        offset: countOf(fourth, 'offset'),
      }
    case codes.push:
      return {
        kind: 'push',
        reach: first === null ? null : bytesListOf(first, 'reach', 8, 100_000).map(hex),
        membership: bytesListOf(second, 'entries'),
        batches: bytesListOf(third, 'batches'),
        checkpoints: bytesListOf(fourth, 'checkpoints'),
        compare: fifth === true,
      }
    default:
      throw malformed('request kind')
  }
}

/** Undefined: nothing differs. */
export type ComparedAnswer = { membership: string; authors: Record<NodeId, string> } | undefined

export function encodeCompared(answer: ComparedAnswer): Uint8Array {
  return encodeCbor(answer ? [false, answer.membership, answer.authors] : [true])
}

export function decodeCompared(bytes: Uint8Array): ComparedAnswer {
  const [same, membership, authors] = listOf(decodeCbor(bytes), 'answer', 32)
  if (same === true) return undefined
  const entries = Object.entries(mapOf(authors, 'authors'))
  return {
    membership: textOf(membership, 'digest', 64),
    authors: Object.fromEntries(entries.map(([author, digest]) => [author, textOf(digest, 'digest', 64)])),
  }
}

export function encodeMembers(entries: Uint8Array[], more: boolean): Uint8Array {
  return encodeCbor([entries, more])
}

export function decodeMembers(bytes: Uint8Array): { entries: Uint8Array[]; more: boolean } {
  const [entries, more] = listOf(decodeCbor(bytes), 'answer', 32)
  return { entries: bytesListOf(entries, 'entries'), more: more === true }
}

export function encodeHeads(states: Iterable<StreamState>): Uint8Array {
  const heads: CborValue[] = []
  for (const { stream, checkpointSeq, tips } of states) {
    heads.push([stream.author, stream.document, checkpointSeq, tips.map(({ seq, hash }) => [seq, fromHex(hash)])])
  }
  return encodeCbor(heads)
}

export function decodeHeads(bytes: Uint8Array): Head[] {
  return listOf(decodeCbor(bytes), 'heads').map((item) => {
    const [author, document, checkpointSeq, tips] = listOf(item, 'head', 32)
    return {
      stream: streamOf(author, document),
      checkpointSeq: countOf(checkpointSeq, 'checkpoint'),
      tips: listOf(tips, 'tips', 64).map((tip) => {
        const [seq, hash] = listOf(tip, 'tip', 8)
        return { seq: countOf(seq, 'sequence number'), hash: hex(bytesOf(hash, 'hash', 32)) }
      }),
    }
  })
}

/** A checkpoint's snapshot is null when it must be fetched in pieces. */
export type WantedItem =
  | { kind: 'batch'; bytes: Uint8Array }
  | { kind: 'checkpoint'; header: Uint8Array; snapshot: Uint8Array | null }

export function encodeWanted(items: WantedItem[]): Uint8Array {
  return encodeCbor(items.map((item) => (item.kind === 'batch' ? [0, item.bytes] : [1, item.header, item.snapshot])))
}

export function decodeWanted(bytes: Uint8Array): WantedItem[] {
  return listOf(decodeCbor(bytes), 'answer').map((item): WantedItem => {
    const [kind, first, second] = listOf(item, 'item', 8)
    const record = bytesOf(first, 'record')
    if (kind === 0) return { kind: 'batch', bytes: record }
    if (kind !== 1) throw malformed('item kind')
    return { kind: 'checkpoint', header: record, snapshot: second === null ? null : bytesOf(second, 'snapshot') }
  })
}
