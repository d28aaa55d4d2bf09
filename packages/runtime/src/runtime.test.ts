import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeCbor, encodeCbor } from './cbor.ts'
import type { Clock } from './clock.ts'
import { SkeinError } from './errors.ts'
import { systemRandom } from './random.ts'
import { SerialByKey } from './serial.ts'
import { createUlidFactory } from './ulid.ts'

const clockAt = (times: number[]): Clock => ({
  nowMs: () => (times.length > 1 ? (times.shift() as number) : (times[0] as number)),
  monotonicMs: () => 0,
  setTimer: () => ({ cancel() {} }),
})

test('ULIDs rise strictly, also within one millisecond and when the clock goes back', () => {
  const next = createUlidFactory(clockAt([5_000, 5_000, 5_000, 4_000, 4_999, 5_001]), systemRandom)
  const made = Array.from({ length: 200 }, next)
  assert.deepEqual(made, [...made].sort())
  assert.equal(new Set(made).size, made.length)
  for (const ulid of made) assert.match(ulid, /^[0-9A-HJKMNP-TV-Z]{26}$/)
})

test('CBOR gives plain data back, without what is undefined', () => {
  const value = { a: 1, b: 'text 文', c: new Uint8Array([1, 2]), d: [null, true, -5], e: undefined, f: { g: 2 ** 40 } }
  assert.deepEqual(decodeCbor(encodeCbor(value)), {
    a: 1,
    b: 'text 文',
    c: new Uint8Array([1, 2]),
    d: [null, true, -5],
    f: { g: 2 ** 40 },
  })
})

test('bytes that are not one well-formed item are refused by name', () => {
  for (const hex of ['', 'ff', '1b', 'a16161', '0000', 'a2616101616102', '5f', '9bffffffffffffffff', 'f7']) {
    assert.throws(() => decodeCbor(Buffer.from(hex, 'hex')), { code: 'malformed-cbor' }, hex)
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        decodeCbor(bytes)
      } catch (error) {
        assert.ok(error instanceof SkeinError && error.code === 'malformed-cbor')
      }
    }),
  )
})

test('tasks of one key run one after the other, of two keys side by side; a failure stops nothing', async () => {
  const serial = new SerialByKey<string>()
  const log: string[] = []
  const release: (() => void)[] = []
  const task = (name: string) => async () => {
    log.push(`${name} begins`)
    await new Promise<void>((resolve) => release.push(resolve))
    log.push(`${name} ends`)
  }
  const failing = serial.run('a', () => Promise.reject(new Error('no')))
  const first = serial.run('a', task('first'))
  const second = serial.run('a', task('second'))
  const other = serial.run('b', task('other'))
  await assert.rejects(failing, /no/)
  while (log.length < 2) await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual(log.toSorted(), ['first begins', 'other begins'])
  for (const go of release.splice(0)) go()
  await Promise.all([first, other])
  while (release.length === 0) await new Promise((resolve) => setImmediate(resolve))
  assert.equal(log.at(-1), 'second begins')
  for (const go of release.splice(0)) go()
  await second
  await serial.idle()
  assert.equal(log.at(-1), 'second ends')
})
