import assert from 'node:assert/strict'
import { test } from 'node:test'
import { saslprep } from './saslprep.ts'

test('RFC 4013 §3: its examples', () => {
  for (const [input, output] of [
    ['I\u00adX', 'IX'],
    ['user', 'user'],
    ['USER', 'USER'],
    ['\u00aa', 'a'],
    ['\u2168', 'IX'],
    ['\u0007', undefined],
    ['\u0627\u0031', undefined],
  ] as const) {
    assert.equal(saslprep(input), output, JSON.stringify(input))
  }
})

test('what people type: wide spaces, full-width letters, Chinese', () => {
  assert.equal(saslprep('a\u3000b\u00a0c'), 'a b c')
  assert.equal(saslprep('ＡＢＣ密码'), 'ABC密码')
  assert.equal(saslprep('e\u0301'), 'é')
  assert.equal(saslprep('\u05d0\u05d1'), '\u05d0\u05d1')
  assert.equal(saslprep('\u05d0a\u05d1'), undefined)
  assert.equal(saslprep('a\ufffd'), undefined)
  assert.equal(saslprep('\ud800'), undefined)
})
