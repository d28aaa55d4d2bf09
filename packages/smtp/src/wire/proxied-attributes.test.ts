import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { parseProxiedAttributes, xclientAttributes, xforwardAttributes } from './proxied-attributes.ts'

for (const [line, expected] of [
  ['XCLIENT NAME=spike.porcupine.org ADDR=168.100.189.2', { name: 'spike.porcupine.org', address: '168.100.189.2' }],
  ['XCLIENT ADDR=IPV6:2001:db8::1 PORT=25', { address: '2001:db8::1', port: 25 }],
  ['xclient name=[UNAVAILABLE] helo=[tempunavail] proto=esmtp', { protocol: 'ESMTP' }],
  ['XCLIENT HELO=a+20b', null],
  ['XCLIENT HELO=a+0D+0ARCPT', null],
  ['XCLIENT ADDR=2001:db8::1', null],
  ['XCLIENT ADDR=IPV6:1.2.3.4', null],
  ['XCLIENT PORT=70000', null],
  ['XCLIENT PROTO=HTTP', null],
  ['XCLIENT SOURCE=LOCAL', null],
  ['XCLIENT NAME', null],
  ['XCLIENT NAME=a+2', null],
  ['XCLIENT', null],
] as const) {
  test(line, () => assert.deepEqual(parseProxiedAttributes(line, xclientAttributes), expected))
}

test('XFORWARD knows IDENT and SOURCE, and no LOGIN', () => {
  assert.deepEqual(parseProxiedAttributes('XFORWARD IDENT=Q1 SOURCE=REMOTE', xforwardAttributes), {})
  assert.equal(parseProxiedAttributes('XFORWARD LOGIN=x', xforwardAttributes), null)
})

test('anything else is refused or read, and never a crash; no control character comes through', () => {
  fc.assert(
    fc.property(fc.string(), fc.constantFrom('NAME', 'ADDR', 'HELO', 'PORT'), (value, name) => {
      const found = parseProxiedAttributes(`XCLIENT ${name}=${value}`, xclientAttributes)
      // oxlint-disable-next-line no-control-regex
      assert.doesNotMatch(Object.values(found ?? {}).join(), /[\x00-\x1f\x7f]/)
    }),
  )
})
