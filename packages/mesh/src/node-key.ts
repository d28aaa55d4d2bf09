// The node's Ed25519 key: its PeerId is the node id, and its signature is the node's word.
// Kept as the 68 bytes of libp2p's protobuf encoding; the bare 32-byte seed (RFC 8032) is read as well.
import { createPrivateKey, createPublicKey, generateKeyPairSync, sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { privateKeyFromProtobuf } from '@libp2p/crypto/keys'
import type { Ed25519PrivateKey } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import type { Signer } from '@skein/replication'
import { SkeinError } from '@skein/runtime'
import type { NodeId } from '@skein/runtime'

// protobuf: field 1 (key type) = 1 (Ed25519), field 2 (data) of 64 bytes: seed, then public key.
const protobufPrefix = Uint8Array.of(0x08, 0x01, 0x12, 0x40)
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
  return peerIdFromPrivateKey(libp2pKeyOf(privateKey)).toString()
}

/** @throws SkeinError `bad-node-key` */
export function createSigner(privateKey: Uint8Array): Signer {
  const nodeId = nodeIdOf(privateKey)
  const key = keyObjectOf(seedOf(privateKey))
  // Signs exactly these bytes: nothing is hashed, prefixed or encoded again before.
  return { nodeId, sign: (bytes) => new Uint8Array(sign(null, bytes, key)) }
}

/** @throws SkeinError `bad-node-key` */
export function libp2pKeyOf(privateKey: Uint8Array): Ed25519PrivateKey {
  const key = privateKeyFromProtobuf(encodeProtobuf(seedOf(privateKey)))
  if (key.type !== 'Ed25519') throw badKey()
  return key
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

function badKey(): SkeinError {
  return new SkeinError('bad-node-key', 'permanent', 'the node key is not an Ed25519 key of this format')
}
