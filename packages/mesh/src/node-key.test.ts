import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { peerIdFromPrivateKey, peerIdFromString } from '@libp2p/peer-id'
import { libp2pKeyOf } from './libp2p-key.ts'
import { createSigner, generateNodeKey, nodeIdOf } from './node-key.ts'

describe('a node key', () => {
  test('names the node by its libp2p PeerId', () => {
    const { privateKey, nodeId } = generateNodeKey()
    assert.match(nodeId, /^12D3Koo/)
    assert.equal(nodeIdOf(privateKey), nodeId)
    assert.equal(privateKey.byteLength, 68)
  })

  test('has the PeerId that libp2p gives it', () => {
    for (let i = 0; i < 50; i += 1) {
      const { privateKey, nodeId } = generateNodeKey()
      assert.equal(peerIdFromPrivateKey(libp2pKeyOf(privateKey)).toString(), nodeId)
    }
  })

  test('is read as a bare seed too', () => {
    const { privateKey, nodeId } = generateNodeKey()
    assert.equal(nodeIdOf(privateKey.subarray(4, 36)), nodeId)
  })

  test('of RFC 8032 §7.1 test 1 has its public key in the PeerId and its signature', async () => {
    const seed = Buffer.from('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60', 'hex')
    const signer = createSigner(seed)
    const publicKey = peerIdFromString(signer.nodeId).publicKey
    assert.equal(
      Buffer.from(publicKey?.raw ?? []).toString('hex'),
      'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
    )
    assert.equal(
      Buffer.from(signer.sign(new Uint8Array(0))).toString('hex'),
      'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
    )
  })

  test('signs exactly the bytes given, so that the PeerId alone verifies them', async () => {
    const { privateKey, nodeId } = generateNodeKey()
    const signature = createSigner(privateKey).sign(Buffer.from('these bytes'))
    const publicKey = peerIdFromString(nodeId).publicKey
    assert.ok(await publicKey?.verify(Buffer.from('these bytes'), signature))
    assert.ok(!(await publicKey?.verify(Buffer.from('those bytes'), signature)))
  })

  test('that is none is refused', () => {
    const { privateKey } = generateNodeKey()
    const wrongPublicHalf = Uint8Array.from(privateKey)
    wrongPublicHalf[67] = wrongPublicHalf[67]! ^ 1
    const wrongType = Uint8Array.from(privateKey)
    wrongType[1] = 2
    for (const key of [new Uint8Array(0), new Uint8Array(68), privateKey.subarray(1), wrongPublicHalf, wrongType]) {
      assert.throws(() => nodeIdOf(key), { code: 'bad-node-key' })
      assert.throws(() => createSigner(key), { code: 'bad-node-key' })
    }
  })
})
