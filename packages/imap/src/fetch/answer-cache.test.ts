import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AnswerCache } from './answer-cache.ts'

test('what was put is found, for its account and way of writing only', () => {
  const cache = new AnswerCache(10_000)
  cache.of('a', false).put('1', 'ENVELOPE', 'one')
  assert.equal(cache.of('a', false).get('1', 'ENVELOPE'), 'one')
  assert.equal(cache.of('a', false).get('1', 'BODY'), undefined)
  assert.equal(cache.of('a', true).get('1', 'ENVELOPE'), undefined)
  assert.equal(cache.of('b', false).get('1', 'ENVELOPE'), undefined)
})

test('what is used stays, what is not used goes, and there is an end to it', () => {
  const cache = new AnswerCache(10_000)
  const answers = cache.of('a', false)
  answers.put('kept', 'ENVELOPE', 'kept')
  for (let number = 0; number < 1000; number++) {
    answers.put(String(number), 'ENVELOPE', 'x'.repeat(100))
    assert.equal(answers.get('kept', 'ENVELOPE'), 'kept')
  }
  const left = Array.from({ length: 1000 }, (_, number) => answers.get(String(number), 'ENVELOPE'))
  const count = left.filter((text) => text !== undefined).length
  assert.ok(count > 5 && count < 50, String(count))
  answers.put('huge', 'BODY', 'x'.repeat(10_000))
  assert.equal(answers.get('huge', 'BODY'), undefined)
})
