// One signed entry of the membership log. Entries name their parents by hash and so form a graph that anybody may extend and nobody
// can change; what they mean together is the reducer's matter.
import { encodeCbor, SkeinError } from '@skein/runtime'
import type { CborValue, NodeId } from '@skein/runtime'
import { hex, verifiedBy } from '../identity.ts'
import type { MemberRole, NodeProfile } from '../ledger-api.ts'
import { ledgerLimits } from '../limits.ts'
import { bytesListOf, bytesOf, countOf, decodeMap, isMap, malformed, mapOf, textOf } from '../wire/fields.ts'
import type { CborMap } from '../wire/fields.ts'
import { openRecord, seal, signedBytes } from '../wire/signed.ts'
import { readJoinRequest } from './invite.ts'
import { decodeProfile, encodeProfile } from './profile.ts'

/** The author that is not a node: whoever holds the recovery key printed when the mesh was founded. */
export const recoveryAuthor = 'recovery'

/** Highest sequence number of each of a node's documents that the signer has seen. */
export type Cutoffs = { [document: string]: number }

export type MembershipBody =
  | { kind: 'genesis'; recoveryKey: Uint8Array; profile: NodeProfile }
  | { kind: 'invite'; publicKey: Uint8Array; expiresMs: number; uses: number; role: MemberRole }
  /** `profile` is what the newcomer's own request says. */
  | { kind: 'admit'; node: NodeId; invite: string; request: Uint8Array; proof: Uint8Array; profile: NodeProfile }
  | { kind: 'rotate'; to: NodeId; proof: Uint8Array; cutoffs: Cutoffs }
  | { kind: 'role'; node: NodeId; role: MemberRole; cutoff: number }
  | { kind: 'evict'; node: NodeId; cutoffs: Cutoffs; reason: string; proposal: string | undefined }
  | { kind: 'policy'; values: CborMap }
  /** Of a later version: kept and passed on, without effect here. */
  | { kind: 'unknown'; name: string }

export interface MembershipEntry {
  /** Hex SHA-256 of the payload. */
  hash: string
  /** The exact bytes as signed. */
  bytes: Uint8Array
  author: string
  parents: string[]
  timeMs: number
  body: MembershipBody
}

function encodeBody(body: MembershipBody): CborMap {
  switch (body.kind) {
    case 'genesis':
      return { recovery: body.recoveryKey, profile: encodeProfile(body.profile) }
    case 'invite':
      return { key: body.publicKey, expires: body.expiresMs, uses: body.uses, role: body.role }
    case 'admit':
      return {
        node: body.node,
        invite: Buffer.from(body.invite, 'hex'),
        request: body.request,
        proof: body.proof,
      }
    case 'rotate':
      return { to: body.to, proof: body.proof, cutoffs: body.cutoffs }
    case 'role':
      return { node: body.node, role: body.role, cutoff: body.cutoff }
    case 'evict':
      return {
        node: body.node,
        cutoffs: body.cutoffs,
        reason: body.reason,
        proposal: body.proposal === undefined ? undefined : Buffer.from(body.proposal, 'hex'),
      }
    case 'policy':
      return body.values
    default:
      throw new Error(`an entry of unknown kind (${body.name}) is never written`)
  }
}

function roleOf(value: CborValue | undefined): MemberRole {
  if (value !== 'admin' && value !== 'member') throw malformed('role')
  return value
}

function cutoffsOf(value: CborValue | undefined): Cutoffs {
  const map = mapOf(value, 'cutoffs')
  return Object.fromEntries(Object.entries(map).map(([document, seq]) => [document, countOf(seq, 'cutoff')]))
}

function decodeBody(kind: string, body: CborMap): MembershipBody {
  switch (kind) {
    case 'genesis':
      return {
        kind,
        recoveryKey: bytesOf(body['recovery'], 'recovery key', 32),
        profile: decodeProfile(body['profile']),
      }
    case 'invite':
      return {
        kind,
        publicKey: bytesOf(body['key'], 'invite key', 32),
        expiresMs: countOf(body['expires'], 'expiry'),
        uses: countOf(body['uses'], 'uses'),
        role: roleOf(body['role']),
      }
    case 'admit': {
      const request = bytesOf(body['request'], 'request')
      return {
        kind,
        node: textOf(body['node'], 'node', 64),
        invite: hex(bytesOf(body['invite'], 'invite', 32)),
        request,
        proof: bytesOf(body['proof'], 'proof', 64),
        profile: readJoinRequest(request).profile,
      }
    }
    case 'rotate':
      return {
        kind,
        to: textOf(body['to'], 'new id', 64),
        proof: bytesOf(body['proof'], 'proof', 64),
        cutoffs: cutoffsOf(body['cutoffs']),
      }
    case 'role':
      return {
        kind,
        node: textOf(body['node'], 'node', 64),
        role: roleOf(body['role']),
        cutoff: countOf(body['cutoff'], 'cutoff'),
      }
    case 'evict':
      return {
        kind,
        node: textOf(body['node'], 'node', 64),
        cutoffs: cutoffsOf(body['cutoffs']),
        reason: textOf(body['reason'], 'reason'),
        proposal: body['proposal'] === undefined ? undefined : hex(bytesOf(body['proposal'], 'proposal', 32)),
      }
    case 'policy':
      return { kind, values: body }
    default:
      return { kind: 'unknown', name: kind }
  }
}

/** @param meshId undefined for the genesis entry, whose hash becomes the mesh id */
export function writeEntry(
  entry: { meshId: string | undefined; author: string; parents: string[]; timeMs: number; body: MembershipBody },
  sign: (bytes: Uint8Array) => Uint8Array,
): MembershipEntry {
  const payload = encodeCbor({
    v: 1,
    m: entry.meshId === undefined ? undefined : Buffer.from(entry.meshId, 'hex'),
    k: entry.body.kind,
    a: entry.author,
    p: entry.parents.map((parent) => Buffer.from(parent, 'hex')),
    t: entry.timeMs,
    b: encodeBody(entry.body),
  })
  const bytes = seal('membership', payload, sign)
  return {
    hash: hex(openRecord(bytes).hash),
    bytes,
    author: entry.author,
    parents: entry.parents,
    timeMs: entry.timeMs,
    body: entry.body,
  }
}

/**
 * Decodes an entry and checks its signature against the author that it names. That author's right to say so is the reducer's to judge.
 * The recovery key's signatures are checked by whoever knows the genesis (`verifyRecovery`).
 * @throws SkeinError `malformed-cbor`, `malformed-record`, `bad-signature`, `wrong-mesh`, `record-too-long`
 */
export function readEntry(
  bytes: Uint8Array,
  meshId: string,
  recoveryKeyHolds: (signed: Uint8Array, signature: Uint8Array) => boolean,
): MembershipEntry {
  if (bytes.length > ledgerLimits.membershipEntryBytesMax) {
    throw new SkeinError('record-too-long', 'refused', 'the membership entry is too long')
  }
  const opened = openRecord(bytes)
  const map = decodeMap(opened.payload)
  const kind = textOf(map['k'], 'kind', 32)
  const author = textOf(map['a'], 'author', 64)
  const hash = hex(opened.hash)
  const mesh = map['m'] === undefined ? undefined : hex(bytesOf(map['m'], 'mesh id', 32))
  if (kind === 'genesis' ? hash !== meshId : mesh !== meshId) {
    throw new SkeinError('wrong-mesh', 'refused', 'the record belongs to another mesh')
  }
  const signed = signedBytes('membership', opened.payload)
  const holds =
    author === recoveryAuthor
      ? recoveryKeyHolds(signed, opened.signature)
      : verifiedBy(author, signed, opened.signature)
  if (!holds) throw new SkeinError('bad-signature', 'refused', "the membership entry's signature does not hold")
  const body = map['b']
  return {
    hash,
    bytes,
    author,
    parents: bytesListOf(map['p'], 'parents', 32, 256).map(hex),
    timeMs: countOf(map['t'], 'time'),
    body: decodeBody(kind, isMap(body) ? body : {}),
  }
}
