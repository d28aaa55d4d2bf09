import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { editAccountPage, findAccount } from './account-page.ts'
import { addressHash, pageOf, shardOf, shardOfDocument, usersDocument } from './address-hash.ts'
import { addressesOn, decodePage, encodePage, encodePlainPage, findClaims } from './place-page.ts'

const address = fc.oneof(
  fc.emailAddress(),
  fc.string({ minLength: 1, maxLength: 60, unit: 'grapheme' }).map((t) => `${t}@x.y`),
)
const claim = fc.record({
  owner: fc.integer({ min: 0, max: 0xffff }),
  rank: fc.constantFrom(0, 1, 2, 255),
  value: fc.uint8Array({ minLength: 1, maxLength: 300 }),
})
const page = fc
  .array(fc.tuple(address, fc.array(claim, { minLength: 1, maxLength: 3 })), { maxLength: 20 })
  .map((entries) => new Map(entries.filter(([text]) => Buffer.byteLength(text) < 255 && text.isWellFormed())))

test('a page comes back as it was written, and each of its names is found in place', () => {
  fc.assert(
    fc.property(page, fc.string(), (places, stranger) => {
      const bytes = encodePage(places)
      if (places.size === 0) return assert.equal(bytes, undefined)
      assert.ok(bytes)
      const plain = (claims: { value: Uint8Array }[] | undefined) =>
        claims?.map((item) => ({ ...item, value: [...item.value] }))
      const decoded = decodePage(bytes)
      assert.deepEqual([...decoded.keys()], [...places.keys()])
      assert.deepEqual([...addressesOn(bytes)], [...places.keys()])
      for (const [name, claims] of places) {
        assert.deepEqual(plain(decoded.get(name)), plain(claims))
        assert.deepEqual(plain(findClaims(bytes, Buffer.from(name))), plain(claims))
      }
      if (!places.has(stranger)) assert.equal(findClaims(bytes, Buffer.from(stranger)), undefined)
    }),
  )
})

test('the short way to write a plain page writes the same', () => {
  fc.assert(
    fc.property(page, fc.integer({ min: 0, max: 0xffff }), (places, owner) => {
      const plain = new Map(
        [...places].map(([name, [first]]) => [name, [{ owner, rank: 255, value: first?.value ?? new Uint8Array(1) }]]),
      )
      const values = [...plain.values()].map(([only]) => only?.value ?? new Uint8Array(0))
      const short = encodePlainPage([...plain.keys()], values, owner)
      assert.deepEqual(Buffer.from(short), Buffer.from(encodePage(plain) ?? []))
    }),
  )
})

test('rows of an account page come and go as they are asked to', () => {
  const row = fc.record({
    accountId: fc.uint8Array({ minLength: 16, maxLength: 16 }),
    addressHash: fc.integer({ min: 0, max: 0xffff_ffff }),
  })
  fc.assert(
    fc.property(fc.uniqueArray(row, { selector: ({ accountId }) => accountId.join() }), fc.nat(), (rows, some) => {
      const gone = rows.filter((_, i) => (i + some) % 2 === 0)
      const whole = editAccountPage(undefined, [], rows)
      for (const { accountId, addressHash } of rows)
        assert.deepEqual(findAccount(whole ?? Buffer.alloc(0), accountId), [addressHash])
      const rest = editAccountPage(whole, gone, []) ?? Buffer.alloc(0)
      for (const item of rows) {
        assert.deepEqual(findAccount(rest, item.accountId), gone.includes(item) ? [] : [item.addressHash])
      }
    }),
  )
})

test('an address has one place, the same for everybody', () => {
  // Vectors: docs/protocols/mesh/ledger.md.
  const vectors: [string, number][] = [
    ['aaa@test.com', 2319065997],
    ['postmaster@mailer.com.cn', 4163709272],
    ['bücher@test.com', 2767246468],
    ['用户@test.com', 1563906675],
    ['', 2872998923],
  ]
  for (const [text, hash] of vectors) assert.equal(addressHash(text), hash, text)
  fc.assert(
    fc.property(address, (text) => {
      assert.equal(shardOfDocument(usersDocument(shardOf(text))), shardOf(text))
      assert.ok(pageOf(text) >= 0 && pageOf(text) < 256)
    }),
  )
  for (const document of ['users/40', 'users/7', 'users/0G', 'mesh', 'users/00/1', 'node']) {
    assert.equal(shardOfDocument(document), undefined)
  }
})

test('addresses spread evenly over shards and pages', () => {
  const shards = Array.from({ length: 64 }, () => 0)
  const pages = Array.from({ length: 256 }, () => 0)
  for (let i = 0; i < 64_000; i++) {
    const text = `user${i}@test.com`
    shards[shardOf(text)] = (shards[shardOf(text)] ?? 0) + 1
    pages[pageOf(text)] = (pages[pageOf(text)] ?? 0) + 1
  }
  for (const count of shards) assert.ok(count > 850 && count < 1150, `${count} of about 1000`)
  for (const count of pages) assert.ok(count > 180 && count < 325, `${count} of about 250`)
})
