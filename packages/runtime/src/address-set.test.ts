import assert from 'node:assert/strict'
import { test } from 'node:test'
import { clientKey, createAddressSet, isLoopback, plainAddress } from './address-set.ts'
import { ConnectionCounter } from './connection-counter.ts'

test('single addresses and blocks, IPv4 also in its IPv6 dress', () => {
  const has = createAddressSet(['192.0.2.0/24', '198.51.100.7', '2001:db8::/32'])
  for (const address of ['192.0.2.200', '::ffff:192.0.2.1', '198.51.100.7', '2001:db8:1::5'])
    assert.ok(has(address), address)
  for (const address of ['192.0.3.1', '198.51.100.8', '2001:db9::1', '::1', 'nonsense'])
    assert.ok(!has(address), address)
})

test('what is no address is told', () => {
  for (const entry of ['', 'localhost', '1.2.3', '10.0.0.0/33', '1.2.3.4/x'])
    assert.throws(() => createAddressSet([entry]), entry)
})

test('loopback', () => {
  assert.deepEqual(['127.0.0.1', '::1', '::ffff:127.0.0.5'].map(isLoopback), [true, true, true])
  assert.deepEqual(['128.0.0.1', '::2', ''].map(isLoopback), [false, false, false])
  assert.equal(plainAddress('::FFFF:1.2.3.4'), '1.2.3.4')
})

test('an IPv6 client is its /64', () => {
  assert.equal(clientKey('2001:db8:1:2:3:4:5:6'), clientKey('2001:db8:1:2::9'))
  assert.notEqual(clientKey('2001:db8:1:2::9'), clientKey('2001:db8:1:3::9'))
  assert.equal(clientKey('2001:db8::1'), clientKey('2001:db8:0:0:ffff::'))
  assert.equal(clientKey('::1'), '0:0:0:0')
  assert.equal(clientKey('192.0.2.1'), '192.0.2.1')
})

test('counting connections', () => {
  const counter = new ConnectionCounter(3, 1, (address) => address === '10.0.0.1')
  assert.equal(counter.enter('10.0.0.2'), 'ok')
  assert.equal(counter.enter('10.0.0.2'), 'too-many-from-address')
  assert.equal(counter.enter('10.0.0.1'), 'ok')
  assert.equal(counter.enter('10.0.0.1'), 'ok')
  assert.equal(counter.enter('10.0.0.3'), 'too-many')
  counter.leave('10.0.0.2')
  assert.equal(counter.count, 2)
  assert.equal(counter.enter('10.0.0.2'), 'ok')
})
