import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createAddressSet } from '@skein/runtime'
import fc from 'fast-check'
import { isSameAddress, networkOf, reversedName } from './client-network.ts'
import { StaticLists, canonicalSubject } from './static-lists.ts'

const ipv4 = fc.ipV4()
const ipv6 = fc.ipV6().filter((address) => !address.includes('.') && !/^::ffff:/i.test(address))
const network = fc.oneof(
  fc.tuple(ipv4, fc.integer({ min: 0, max: 32 })).map(([address, bits]) => `${address}/${bits}`),
  fc.tuple(ipv6, fc.integer({ min: 0, max: 128 })).map(([address, bits]) => `${address}/${bits}`),
  ipv4,
  ipv6,
)

test('an address is found where the system finds it', () => {
  fc.assert(
    fc.property(fc.array(network, { maxLength: 8 }), fc.oneof(ipv4, ipv6), (subjects, address) => {
      const lists = new StaticLists(
        subjects.map((subject) => ({ subject, list: 'block' as const, reason: '', untilMs: null })),
      )
      // The system takes IPv4 for a part of IPv6; an operator who blocks ::/0 does not mean it.
      const ofFamily = subjects.filter((subject) => subject.includes(':') === address.includes(':'))
      const matching = ofFamily.filter((subject) => createAddressSet([subject])(address))
      assert.equal(lists.ofAddress(address, 0) !== undefined, matching.length > 0)
    }),
    { numRuns: 1_000 },
  )
})

test('names and networks of any address are well-formed', () => {
  fc.assert(
    fc.property(fc.oneof(ipv4, ipv6), (address) => {
      assert.match(reversedName(address), /^(?:(?:\d{1,3}\.){3}\d{1,3}|(?:[0-9a-f]\.){31}[0-9a-f])$/)
      assert.match(networkOf(address), /^[0-9a-f.:]+$/i)
      assert.ok(isSameAddress(address, address.toUpperCase()))
    }),
  )
})

const subjects: [given: string, kept: string | undefined][] = [
  ['192.0.2.1', '192.0.2.1'],
  [' 192.0.2.0/24 ', '192.0.2.0/24'],
  ['2001:DB8::/32', '2001:db8::/32'],
  ['Example.ORG', 'example.org'],
  ['X@Example.ORG', 'x@example.org'],
  ['例子.cn', 'xn--fsqu00a.cn'],
  ['192.0.2.0/33', undefined],
  ['not a domain', undefined],
  ['a/b', undefined],
  ['', undefined],
  ['@', undefined],
]
for (const [given, kept] of subjects) {
  test(`"${given}" is kept as ${kept}`, () => {
    assert.equal(canonicalSubject(given), kept)
  })
}
