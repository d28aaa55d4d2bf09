import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { canonicalAddress, splitAddress } from './address.ts'
import { srsRewrite, srsUndo } from './srs.ts'

const secret = Buffer.alloc(32, 1)
const older = Buffer.alloc(32, 2)
const stranger = Buffer.alloc(32, 3)
const dayMs = 86_400_000
const nowMs = Date.UTC(2026, 10, 30)

const undone = (address: string, atMs = nowMs, secrets: readonly Uint8Array[] = [secret, older]) =>
  srsUndo(address, secrets, atMs)

const rewritten = (sender: string, key: Uint8Array = secret, atMs = nowMs): string => {
  const address = srsRewrite(sender, 'test.com', key, atMs)
  assert.ok(address, sender)
  return address
}

test('a sender comes back as it was, with either secret, whatever became of the case', () => {
  const senders = [
    'bob@example.org',
    'bob+list@example.org',
    'Bob.Smith@example.org',
    'a=b@example.org',
    '"a b"@example.org',
    '"q\\"uote"@example.org',
    'bob@[192.0.2.1]',
    '王@xn--fiqs8s.example',
  ]
  for (const sender of senders) {
    for (const key of [secret, older]) {
      const address = rewritten(sender, key)
      assert.deepEqual(undone(address), { kind: 'sender', address: sender }, address)
      const canonical = canonicalAddress(address)
      assert.ok(canonical, address)
      const found = undone(canonical)
      assert.ok(found?.kind === 'sender')
      assert.equal(found.address.toLowerCase(), sender.toLowerCase())
      assert.deepEqual(undone(address, nowMs, [stranger]), { kind: 'forged' })
    }
  }
})

test('the form is the one that other forwarders know', () => {
  assert.match(rewritten('bob@example.org'), /^SRS0=[a-z2-7]{8}=[a-z2-7]{2}=example\.org=bob@test\.com$/)
  const first = 'SRS0=HHHH=TT=example.org=bob@first.example'
  const second = rewritten(first)
  assert.match(second, /^SRS1=[a-z2-7]{8}=first\.example==HHHH=TT=example\.org=bob@test\.com$/)
  assert.deepEqual(undone(second), { kind: 'sender', address: first })
})

test('a third forwarder shortens the way back: bounces go from here to the first one', () => {
  const at = (separator: string) => `SRS0${separator}HHHH=TT=example.org=bob`
  for (const separator of ['=', '+', '-']) {
    const first = `${at(separator)}@first.example`
    const second = srsRewrite(first, 'second.example', stranger, nowMs)
    assert.ok(second)
    const third = rewritten(second)
    assert.match(third, /^SRS1=[a-z2-7]{8}=first\.example=/)
    assert.deepEqual(undone(third), { kind: 'sender', address: first })
  }
  // One that only looks like it is wrapped as it is.
  assert.match(rewritten('SRS1=odd@second.example'), /^SRS1=[a-z2-7]{8}=second\.example==odd@test\.com$/)
})

test('a changed address is forged', () => {
  const address = rewritten('bob@example.org')
  const [, hash, day] = /^SRS0=([^=]+)=([^=]+)=/.exec(address) ?? []
  const forgeries = [
    address.replace('bob', 'eve'),
    address.replace('example.org', 'example.net'),
    address.replace(`=${day}=`, '=aa='),
    address.replace(hash ?? '', 'aaaaaaaa'),
    address.replace(hash ?? '', (hash ?? '').slice(1)),
    address.replace(hash ?? '', ''),
    'SRS0=@test.com',
    'SRS0=a=b=c@test.com',
    'srs1=a=b=c@test.com',
    'SRS1=aaaaaaaa=first.example==HHHH=TT=example.org=bob@test.com',
    // What one generation signs is nothing to the other.
    `SRS1=${hash}=${day}==example.org=bob@test.com`,
  ]
  for (const forgery of forgeries) assert.deepEqual(undone(forgery), { kind: 'forged' }, forgery)
})

test('good for 21 days, also across the turn of the calendar, and for a node whose clock is behind', () => {
  for (const startMs of [nowMs, 1023 * dayMs, 2047.5 * dayMs, 1024 * dayMs]) {
    const address = rewritten('bob@example.org', secret, startMs)
    for (const [days, kind] of [
      [-1, 'sender'],
      [0, 'sender'],
      [21, 'sender'],
      [22, 'expired'],
      [500, 'expired'],
      [1000, 'expired'],
    ] as const) {
      assert.equal(undone(address, startMs + days * dayMs)?.kind, kind, `${startMs} + ${days} days`)
    }
  }
})

test('other addresses are none of its business', () => {
  for (const address of [
    'bob@test.com',
    'srs@test.com',
    'srs0@test.com',
    'srs2=a@test.com',
    '"srs0',
    '',
    '@',
    'srs0=a',
  ]) {
    assert.equal(undone(address)?.kind ?? 'none', address.startsWith('srs0=') ? 'forged' : 'none', address)
  }
})

test('a sender that leaves no room in a local part is not rewritten', () => {
  assert.equal(srsRewrite(`${'x'.repeat(40)}@long.example`, 'test.com', secret, nowMs), undefined)
  assert.equal(srsRewrite('', 'test.com', secret, nowMs), undefined)
  assert.equal(srsRewrite('no-domain', 'test.com', secret, nowMs), undefined)
  const fits = srsRewrite(`${'x'.repeat(34)}@long.example`, 'test.com', secret, nowMs)
  assert.equal(Buffer.byteLength(splitAddress(fits ?? '').local), 64)
})

test('property: every address that fits comes back, none of another secret does, nothing throws', () => {
  const word = fc.string({ unit: fc.constantFrom(...'abcXYZ019=+-_.\'"\\ <>@'.split('')), minLength: 1, maxLength: 20 })
  const domain = fc.constantFrom('example.org', 'a.example', 'srs0.example', 'xn--fiqs8s.example')
  fc.assert(
    fc.property(word, domain, (local, from) => {
      const given =
        canonicalAddress(`${local}@${from}`) ?? canonicalAddress(`"${local.replace(/["\\]/g, '\\$&')}"@${from}`)
      fc.pre(given !== undefined)
      const address = srsRewrite(given, 'test.com', secret, nowMs)
      if (address === undefined) return
      assert.ok(canonicalAddress(address), address)
      const back = undone(address)
      assert.deepEqual(back, { kind: 'sender', address: given })
      assert.equal(undone(address, nowMs, [stranger])?.kind, 'forged')
    }),
    { numRuns: 500 },
  )
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('', 'SRS0=', 'srs1=', 'SRS0=a=b=', 'SRS1=a=b=='),
      (text, start) => {
        const found = undone(`${start}${text}@test.com`)
        assert.notEqual(found?.kind, 'sender')
        srsRewrite(`${start}${text}`, 'test.com', secret, nowMs)
      },
    ),
    { numRuns: 500 },
  )
})
