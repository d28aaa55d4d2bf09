import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { RecentMessages } from './recent-messages.ts'

test('gives back exactly what was added, or nothing, whatever is overwritten', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(70), { minLength: 1, maxLength: 200, size: 'max' }), (lengths) => {
      const recent = new RecentMessages(1024)
      const added = lengths.map((length, index) => {
        const bytes = Buffer.alloc(length, index % 251)
        const ref = { segment: 1 + (index % 3), offset: index * 100, length }
        const cut = Math.floor(length / 2)
        recent.add(ref, [bytes.subarray(0, cut), bytes.subarray(cut)])
        return { ref, bytes }
      })
      for (const [index, { ref, bytes }] of added.entries()) {
        const found = recent.get(ref, 0, ref.length)
        if (found) assert.ok(Buffer.from(found).equals(bytes))
        const isLatest = index === added.length - 1
        if (isLatest && ref.length <= 1024 / 16) assert.ok(found)
        if (found && ref.length > 2) assert.deepEqual(recent.get(ref, 1, 2), bytes.subarray(1, 2))
        assert.equal(recent.get({ ...ref, segment: ref.segment + 2 ** 20 }, 0, ref.length), undefined)
        assert.equal(recent.get({ ...ref, length: ref.length + 1 }, 0, ref.length), undefined)
      }
    }),
  )
})

test('what it gives is nobody else’s', () => {
  const recent = new RecentMessages(1024)
  const ref = { segment: 1, offset: 0, length: 3 }
  const bytes = Buffer.from('abc')
  recent.add(ref, [bytes])
  bytes.fill(0)
  recent.get(ref, 0, 3)?.fill(0)
  assert.deepEqual(recent.get(ref, 0, 3), Buffer.from('abc'))
})
