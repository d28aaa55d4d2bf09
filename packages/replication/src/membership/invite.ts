// The one line that lets a machine in: `skein1:` + base64url of CBOR {mesh, peers, seed, expires}. The seed makes a key whose public half
// is in the membership log, so the newcomer can prove to any member that it was invited.
import { decodeCbor, encodeCbor, SkeinError } from '@skein/runtime'
import type { NodeId } from '@skein/runtime'
import { hex, keyFromSeed, publicKeyOfNodeId, verifiedByKey } from '../identity.ts'
import type { Invite, NodeProfile } from '../ledger-api.ts'
import { bytesOf, countOf, decodeMap, listOf, mapOf, textListOf, textOf } from '../wire/fields.ts'
import { signedBytes } from '../wire/signed.ts'
import { decodeProfile, encodeProfile } from './profile.ts'

const PREFIX = 'skein1:'
const tokenCharactersMax = 8192

export function formatInvite(invite: Invite): string {
  const bytes = encodeCbor({
    m: Buffer.from(invite.meshId, 'hex'),
    p: invite.peers.map(({ id, addresses }) => [id, addresses]),
    s: invite.seed,
    e: invite.expiresMs,
  })
  return PREFIX + Buffer.from(bytes).toString('base64url')
}

/** @throws SkeinError `bad-invite` for anything that is not an invite's text. Expiry is not judged here. */
export function parseInvite(token: string): Invite {
  const text = token.trim()
  try {
    if (!text.startsWith(PREFIX) || text.length > tokenCharactersMax) throw new Error('not an invite')
    const encoded = text.slice(PREFIX.length)
    if (!/^[A-Za-z0-9_-]+$/.test(encoded)) throw new Error('not base64url')
    const map = decodeMap(new Uint8Array(Buffer.from(encoded, 'base64url')))
    const peers = listOf(map['p'], 'peers', 3).map((peer) => {
      const [id, addresses] = listOf(peer, 'peer')
      const nodeId = textOf(id, 'peer id', 64)
      if (!publicKeyOfNodeId(nodeId)) throw new Error('not a peer id')
      return { id: nodeId, addresses: textListOf(addresses, 'addresses', 32) }
    })
    if (peers.length === 0) throw new Error('names no peer')
    return {
      meshId: hex(bytesOf(map['m'], 'mesh id', 32)),
      peers,
      seed: bytesOf(map['s'], 'seed', 32),
      expiresMs: countOf(map['e'], 'expiry'),
    }
  } catch (cause) {
    throw new SkeinError('bad-invite', 'refused', 'this is not a valid invite', cause)
  }
}

/** What the newcomer says; its bytes go into the ADMIT entry, so that every node can check the proof for itself. */
export interface JoinRequest {
  meshId: string
  node: NodeId
  /** The public key of the invite that it holds. */
  inviteKey: Uint8Array
  timeMs: number
  profile: NodeProfile
}

/** @returns CBOR [request, proof] */
export function writeJoinRequest(
  invite: Invite,
  node: NodeId,
  profile: NodeProfile,
  timeMs: number,
  nonce: Uint8Array,
): Uint8Array {
  const key = keyFromSeed(invite.seed)
  const request = encodeCbor({
    m: Buffer.from(invite.meshId, 'hex'),
    n: node,
    k: key.publicKey,
    t: timeMs,
    r: nonce,
    i: encodeProfile(profile),
  })
  return encodeCbor([request, key.sign(signedBytes('join', request))])
}

export function splitJoinRequest(bytes: Uint8Array): { request: Uint8Array; proof: Uint8Array } {
  const [request, proof] = listOf(decodeCbor(bytes), 'join request', 2)
  return { request: bytesOf(request, 'request'), proof: bytesOf(proof, 'proof', 64) }
}

/** @throws SkeinError `malformed-cbor`, `malformed-record`; the proof is not judged here. */
export function readJoinRequest(request: Uint8Array): JoinRequest {
  const map = decodeMap(request)
  return {
    meshId: hex(bytesOf(map['m'], 'mesh id', 32)),
    node: textOf(map['n'], 'node', 64),
    inviteKey: bytesOf(map['k'], 'invite key', 32),
    timeMs: countOf(map['t'], 'time'),
    profile: decodeProfile(mapOf(map['i'], 'profile')),
  }
}

/** The holder of that invite's seed asked for exactly this node to be let into exactly this mesh. */
export function joinProofHolds(
  request: Uint8Array,
  proof: Uint8Array,
  expected: { meshId: string; node: NodeId; inviteKey: Uint8Array },
): boolean {
  try {
    const said = readJoinRequest(request)
    return (
      said.meshId === expected.meshId &&
      said.node === expected.node &&
      publicKeyOfNodeId(said.node) !== undefined &&
      Buffer.compare(said.inviteKey, expected.inviteKey) === 0 &&
      verifiedByKey(expected.inviteKey, signedBytes('join', request), proof)
    )
  } catch {
    return false
  }
}
