// The node's key as libp2p wants it.
import { privateKeyFromProtobuf } from '@libp2p/crypto/keys'
import type { Ed25519PrivateKey } from '@libp2p/interface'
import { assert } from '@skein/runtime'
import { protobufKeyOf } from './node-key.ts'

/** @throws SkeinError `bad-node-key` */
export function libp2pKeyOf(privateKey: Uint8Array): Ed25519PrivateKey {
  const key = privateKeyFromProtobuf(protobufKeyOf(privateKey))
  assert(key.type === 'Ed25519', 'the protobuf says Ed25519')
  return key
}
