import assert from 'node:assert/strict'
import { test } from 'node:test'
import { VirtualClock } from '@skein/testkit'
import { AddressFamilies, type FamilyOrder } from './address-families.ts'

const both = ['2001:db8::1', '192.0.2.1', '2001:db8::2', '192.0.2.2']

for (const [order, sorted] of [
  ['ipv4-first', ['192.0.2.1', '192.0.2.2', '2001:db8::1', '2001:db8::2']],
  ['ipv6-first', ['2001:db8::1', '2001:db8::2', '192.0.2.1', '192.0.2.2']],
  ['ipv4', ['192.0.2.1', '192.0.2.2']],
  ['ipv6', ['2001:db8::1', '2001:db8::2']],
] as [FamilyOrder, string[]][]) {
  test(order, () => {
    assert.deepEqual(new AddressFamilies(new VirtualClock(), order, 1_000).sorted(both), sorted)
  })
}

test('a family that led nowhere goes last for a while, and is back at once when it works', async () => {
  const clock = new VirtualClock()
  const families = new AddressFamilies(clock, 'ipv6-first', 1_000)
  families.note('192.0.2.1', ['2001:db8::1'])
  assert.equal(families.sorted(both)[0], '192.0.2.1')
  assert.equal(families.sorted(both).length, 4)
  families.note('2001:db8::1', [])
  assert.equal(families.sorted(both)[0], '2001:db8::1')
  families.note('192.0.2.1', ['2001:db8::1'])
  await clock.advance(1_001)
  assert.equal(families.sorted(both)[0], '2001:db8::1')
})

test('another address of the same family says nothing about it', () => {
  const families = new AddressFamilies(new VirtualClock(), 'ipv6-first', 1_000)
  families.note('2001:db8::2', ['2001:db8::1'])
  assert.equal(families.sorted(both)[0], '2001:db8::1')
})
