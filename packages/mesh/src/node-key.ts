// The node's Ed25519 key: its PeerId is the node id, and its signature is the node's word.
// Kept as the 68 bytes of libp2p's protobuf encoding; the bare 32-byte seed (RFC 8032) is read as well.
// Needs nothing of libp2p, whose loading takes longer than most commands that only want to know who the node is.
import { createPrivateKey, createPublicKey, generateKeyPairSync, sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import type { Signer } from '@skein/replication'
import { SkeinError } from '@skein/runtime'
import type { NodeId } from '@skein/runtime'

// protobuf: field 1 (key type) = 1 (Ed25519), field 2 (data) of 64 bytes: seed, then public key.
const protobufPrefix = Uint8Array.of(0x08, 0x01, 0x12, 0x40)
// multihash: identity of 36 bytes, which are the protobuf of an Ed25519 public key: field 1 = 1, field 2 of 32 bytes.
const peerIdPrefix = Uint8Array.of(0x00, 0x24, 0x08, 0x01, 0x12, 0x20)
const base58Digits = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'
// RFC 8410 §7: PrivateKeyInfo of an Ed25519 key up to its 32 bytes.
const pkcs8Prefix = Buffer.from('302e020100300506032b657004220420', 'hex')

export function generateNodeKey(): { privateKey: Uint8Array; nodeId: NodeId } {
  const { privateKey } = generateKeyPairSync('ed25519')
  const der = privateKey.export({ format: 'der', type: 'pkcs8' })
  const encoded = encodeProtobuf(der.subarray(pkcs8Prefix.byteLength))
  return { privateKey: encoded, nodeId: nodeIdOf(encoded) }
}

/** @throws SkeinError `bad-node-key` */
export function nodeIdOf(privateKey: Uint8Array): NodeId {
  return base58(Buffer.concat([peerIdPrefix, publicKeyOf(seedOf(privateKey))]))
}

/** @throws SkeinError `bad-node-key` */
export function createSigner(privateKey: Uint8Array): Signer {
  const nodeId = nodeIdOf(privateKey)
  const key = keyObjectOf(seedOf(privateKey))
  // Signs exactly these bytes: nothing is hashed, prefixed or encoded again before.
  return { nodeId, sign: (bytes) => new Uint8Array(sign(null, bytes, key)) }
}

/** The 68 bytes, whichever form was given. @throws SkeinError `bad-node-key` */
export function protobufKeyOf(privateKey: Uint8Array): Uint8Array {
  return encodeProtobuf(seedOf(privateKey))
}

function seedOf(privateKey: Uint8Array): Uint8Array {
  if (privateKey.byteLength === 32) return privateKey
  if (privateKey.byteLength !== protobufPrefix.byteLength + 64) throw badKey()
  if (protobufPrefix.some((byte, at) => privateKey[at] !== byte)) throw badKey()
  const seed = privateKey.subarray(4, 36)
  if (!publicKeyOf(seed).equals(privateKey.subarray(36))) throw badKey()
  return seed
}

function encodeProtobuf(seed: Uint8Array): Uint8Array {
  return new Uint8Array(Buffer.concat([protobufPrefix, seed, publicKeyOf(seed)]))
}

function publicKeyOf(seed: Uint8Array): Buffer {
  return createPublicKey(keyObjectOf(seed)).export({ format: 'der', type: 'spki' }).subarray(-32)
}

function keyObjectOf(seed: Uint8Array): KeyObject {
  return createPrivateKey({ key: Buffer.concat([pkcs8Prefix, seed]), format: 'der', type: 'pkcs8' })
}

/** Base58 as PeerIds are written: each leading zero byte is a `1`, the rest one large number. */
function base58(bytes: Uint8Array): string {
  let text = ''
  for (let value = BigInt(`0x${Buffer.from(bytes).toString('hex')}`); value > 0n; value /= 58n) {
    text = base58Digits[Number(value % 58n)]! + text
  }
  const zeros = bytes.findIndex((byte) => byte !== 0)
  return '1'.repeat(zeros) + text
}

function badKey(): SkeinError {
  return new SkeinError('bad-node-key', 'permanent', 'the node key is not an Ed25519 key of this format')
}
