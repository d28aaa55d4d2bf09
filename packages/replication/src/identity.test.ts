import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  keyFromSeed,
  nodeIdOfPublicKey,
  publicKeyOfNodeId,
  shortIdOf,
  signerFromSeed,
  verifiedBy,
  verifiedByKey,
} from './identity.ts'

test('a node id is the libp2p PeerId of the key', () => {
  // Made with @libp2p/peer-id from the same seed.
  assert.equal(
    signerFromSeed(new Uint8Array(32).fill(7)).nodeId,
    '12D3KooWRawPbxPtP1eZaJpumGnyWX2DcUyd3RQnydr3eAto4Az7',
  )
})

test('the public key comes back out of the id, and nothing comes out of other text', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (seed) => {
      const { publicKey } = keyFromSeed(seed)
      assert.deepEqual(publicKeyOfNodeId(nodeIdOfPublicKey(publicKey)), publicKey)
    }),
    { numRuns: 50 },
  )
  fc.assert(
    fc.property(fc.string(), (text) => {
      assert.equal(publicKeyOfNodeId(text), undefined)
    }),
  )
  assert.equal(publicKeyOfNodeId('QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N'), undefined)
})

test('a signature holds for its bytes and its key alone', () => {
  const alice = signerFromSeed(new Uint8Array(32).fill(1))
  const bob = signerFromSeed(new Uint8Array(32).fill(2))
  const bytes = new TextEncoder().encode('skein')
  const signature = alice.sign(bytes)
  assert.equal(verifiedBy(alice.nodeId, bytes, signature), true)
  assert.equal(verifiedBy(bob.nodeId, bytes, signature), false)
  assert.equal(verifiedBy(alice.nodeId, Uint8Array.of(...bytes, 0), signature), false)
  assert.equal(verifiedBy('not an id', bytes, signature), false)
  assert.equal(verifiedBy(alice.nodeId, bytes, signature.subarray(1)), false)
  assert.equal(verifiedByKey(new Uint8Array(31), bytes, signature), false)
  assert.throws(() => keyFromSeed(new Uint8Array(31)), { code: 'bad-key' })
  assert.match(shortIdOf(alice.nodeId), /^[0-9a-f]{16}$/)
})
