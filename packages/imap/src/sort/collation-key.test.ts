import assert from 'node:assert/strict'
import { test } from 'node:test'
import { collationKey } from './collation-key.ts'

test('keys are in the order of UTF-8, not of UTF-16', () => {
  assert.ok(collationKey('\uffee') < collationKey('\u{1f600}'))
  assert.ok(collationKey('a') < collationKey('B'))
  assert.equal(collationKey('É'), collationKey('e\u0301'))
})
