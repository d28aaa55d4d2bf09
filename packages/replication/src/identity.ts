// Nodes are their keys: a NodeId is the base58 text of a libp2p PeerId that holds the Ed25519 public key itself,
// so that any signature can be checked from the id alone.
import { createPrivateKey, createPublicKey, hash, sign, verify } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { SkeinError } from '@skein/runtime'
import type { NodeId } from '@skein/runtime'
import type { Signer } from './ports.ts'

const BASE58 = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'
/** Identity multihash (0x00) of 36 bytes: libp2p's protobuf {Type: Ed25519, Data: 32 bytes}. */
const PEER_ID_PREFIX = Uint8Array.of(0x00, 0x24, 0x08, 0x01, 0x12, 0x20)
/** RFC 8410 §4: SubjectPublicKeyInfo of an Ed25519 key up to the key's bytes. */
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex')
/** RFC 8410 §7: PrivateKeyInfo of an Ed25519 key up to the seed. */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex')

export const signatureBytes = 64

export function sha256(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(hash('sha256', bytes, 'buffer'))
}

export function sha256Hex(data: Uint8Array | string): string {
  return hash('sha256', data, 'hex')
}

const byteTexts = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

export function hex(bytes: Uint8Array): string {
  if (bytes.length > 32) return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')
  let text = ''
  for (const byte of bytes) text += byteTexts[byte] as string
  return text
}

export function fromHex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'hex'))
}

function base58Encode(bytes: Uint8Array): string {
  let value = BigInt(`0x${hex(bytes) || '0'}`)
  let text = ''
  for (; value > 0n; value /= 58n) text = BASE58.charAt(Number(value % 58n)) + text
  for (let i = 0; i < bytes.length && bytes[i] === 0; i++) text = `1${text}`
  return text
}

function base58Decode(text: string): Uint8Array | undefined {
  let value = 0n
  for (const character of text) {
    const digit = BASE58.indexOf(character)
    if (digit < 0) return undefined
    value = value * 58n + BigInt(digit)
  }
  let digits = value === 0n ? '' : value.toString(16)
  if (digits.length % 2 === 1) digits = `0${digits}`
  let zeros = 0
  while (text[zeros] === '1') zeros++
  return new Uint8Array(Buffer.concat([Buffer.alloc(zeros), Buffer.from(digits, 'hex')]))
}

export function nodeIdOfPublicKey(publicKey: Uint8Array): NodeId {
  return base58Encode(Buffer.concat([PEER_ID_PREFIX, publicKey]))
}

/** The 32 bytes of the key in the id; undefined for anything that is not an Ed25519 PeerId. */
export function publicKeyOfNodeId(id: NodeId): Uint8Array | undefined {
  if (id.length < 40 || id.length > 60) return undefined
  const bytes = base58Decode(id)
  if (bytes?.length !== 38 || !PEER_ID_PREFIX.every((byte, i) => bytes[i] === byte)) return undefined
  return bytes.subarray(6)
}

function publicKeyObject(raw: Uint8Array): KeyObject {
  return createPublicKey({ key: Buffer.concat([SPKI_PREFIX, raw]), format: 'der', type: 'spki' })
}

const keysCachedMax = 4096
const keys = new Map<NodeId, KeyObject | null>()

function keyOf(id: NodeId): KeyObject | null {
  let key = keys.get(id)
  if (key === undefined) {
    const raw = publicKeyOfNodeId(id)
    key = raw ? publicKeyObject(raw) : null
    if (keys.size >= keysCachedMax) keys.clear()
    keys.set(id, key)
  }
  return key
}

/** RFC 8032 Ed25519. False for a malformed id, too. */
export function verifiedBy(id: NodeId, bytes: Uint8Array, signature: Uint8Array): boolean {
  const key = keyOf(id)
  return key !== null && signature.length === signatureBytes && verify(null, bytes, key, signature)
}

export function verifiedByKey(publicKey: Uint8Array, bytes: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== 32 || signature.length !== signatureBytes) return false
  return verify(null, bytes, publicKeyObject(publicKey), signature)
}

export interface SeedKey {
  publicKey: Uint8Array
  sign(bytes: Uint8Array): Uint8Array
}

/** @param seed 32 bytes. @throws SkeinError `bad-key` */
export function keyFromSeed(seed: Uint8Array): SeedKey {
  if (seed.length !== 32) throw new SkeinError('bad-key', 'refused', 'a key seed has 32 bytes')
  const key = createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, seed]), format: 'der', type: 'pkcs8' })
  const publicKey = new Uint8Array(createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(-32))
  return { publicKey, sign: (bytes) => new Uint8Array(sign(null, bytes, key)) }
}

/** A node's signer from its 32-byte Ed25519 seed. */
export function signerFromSeed(seed: Uint8Array): Signer {
  const key = keyFromSeed(seed)
  return { nodeId: nodeIdOfPublicKey(key.publicKey), sign: key.sign }
}

const shortIds = new Map<NodeId, string>()

/** Eight bytes in hex that stand for a node inside the mesh's records: the start of SHA-256 of its id. */
export function shortIdOf(id: NodeId): string {
  let short = shortIds.get(id)
  if (short === undefined) {
    short = sha256Hex(id).slice(0, 16)
    if (shortIds.size >= keysCachedMax) shortIds.clear()
    shortIds.set(id, short)
  }
  return short
}
