import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { multiaddr } from '@multiformats/multiaddr'
import { generateNodeKey } from './node-key.ts'
import { dialAddressOf, ipOf, localAddressFor } from './peer-address.ts'

const peer = generateNodeKey().nodeId
const other = generateNodeKey().nodeId

describe('an address to dial', () => {
  test('ends in the id of the peer that must answer there', () => {
    for (const address of ['/ip4/127.0.0.135/tcp/19835', '/ip6/::1/tcp/1', '/dns4/mail.test/tcp/9835']) {
      assert.equal(dialAddressOf(peer, address)?.toString(), `${address}/p2p/${peer}`)
      assert.equal(dialAddressOf(peer, `${address}/p2p/${peer}`)?.toString(), `${address}/p2p/${peer}`)
    }
  })

  test('that names another peer, another transport or nothing is none', () => {
    const none = [
      `/ip4/127.0.0.1/tcp/1/p2p/${other}`,
      '/ip4/127.0.0.1/udp/1',
      '/ip4/127.0.0.1/tcp/1/ws',
      '/unix/tmp.sock',
      `/p2p/${peer}`,
      '127.0.0.1:9835',
      '',
    ]
    for (const address of none) assert.equal(dialAddressOf(peer, address), undefined, address)
  })
})

test('an IPv4 address that comes mapped into IPv6 is asked about as IPv4', () => {
  assert.equal(ipOf(multiaddr('/ip6/::ffff:10.1.2.3/tcp/1')), '10.1.2.3')
  assert.equal(ipOf(multiaddr('/ip6/2001:db8::1/tcp/1')), '2001:db8::1')
  assert.equal(ipOf(multiaddr('/dns4/mail.test/tcp/1')), undefined)
})

describe('a dial comes from', () => {
  const from = (listening: string[], target: string) =>
    localAddressFor(
      listening.map((a) => multiaddr(a)),
      multiaddr(target),
    )

  test('the address that the node is bound to', () => {
    assert.equal(from(['/ip4/127.0.0.135/tcp/1'], '/ip4/127.0.0.136/tcp/1'), '127.0.0.135')
    assert.equal(from(['/ip4/127.0.0.135/tcp/1', '/ip4/127.0.0.135/tcp/2'], '/ip4/127.0.0.136/tcp/1'), '127.0.0.135')
    assert.equal(from(['/ip4/10.0.0.1/tcp/1', '/ip4/127.0.0.1/tcp/1'], '/ip4/10.0.0.2/tcp/1'), '10.0.0.1')
  })

  test('wherever the system likes when the bound address cannot reach the target or is not one', () => {
    assert.equal(from(['/ip4/0.0.0.0/tcp/1'], '/ip4/127.0.0.136/tcp/1'), undefined)
    assert.equal(from(['/ip4/127.0.0.135/tcp/1'], '/ip4/10.0.0.2/tcp/1'), undefined)
    assert.equal(from(['/ip6/::1/tcp/1'], '/ip4/127.0.0.1/tcp/1'), undefined)
    assert.equal(from(['/ip4/10.0.0.1/tcp/1', '/ip4/10.0.1.1/tcp/1'], '/ip4/10.0.0.2/tcp/1'), undefined)
    assert.equal(from([], '/ip4/10.0.0.2/tcp/1'), undefined)
  })
})
