import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Cursor } from '../wire/cursor.ts'
import { parseSortCriteria, wordOfKey } from './sort-criteria.ts'

const parse = (text: string) => parseSortCriteria(new Cursor([text], { nestingDepthMax: 5, utf8: false }))

test('keys in their order, each once', () => {
  assert.deepEqual(parse('(reverse Date SUBJECT DATE)'), [
    { key: 'DATE', reverse: true },
    { key: 'SUBJECT', reverse: false },
  ])
})

test('what is written is read, and nothing else', () => {
  const criterion = fc
    .tuple(fc.constantFrom(...Object.keys(wordOfKey)), fc.boolean())
    .map(([key, reverse]) => ({ key, reverse }))
  fc.assert(
    fc.property(fc.uniqueArray(criterion, { minLength: 1, selector: ({ key }) => key }), (criteria) => {
      const text = criteria.map(({ key, reverse }) => (reverse ? `REVERSE ${key}` : key)).join(' ')
      assert.deepEqual(parse(`(${text})`), criteria)
    }),
  )
  fc.assert(
    fc.property(fc.stringMatching(/^[()A-Z ]{0,20}$/), (text) => {
      try {
        for (const { key } of parse(text)) assert.ok(Object.hasOwn(wordOfKey, key))
      } catch (error) {
        assert.equal((error as Error).name, 'SyntaxFault')
      }
    }),
  )
})
