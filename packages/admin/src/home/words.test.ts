import assert from 'node:assert/strict'
import { test } from 'node:test'
import { wordsFor } from './words.ts'

const cases: [string, string | null, string][] = [
  ['', null, 'en'],
  ['zh-CN,zh;q=0.9,en;q=0.8', null, 'zh-CN'],
  ['en-US,en;q=0.9,zh;q=0.8', null, 'en'],
  ['fr, zh;q=0.5', null, 'zh-CN'],
  ['fr, de', null, 'en'],
  ['zh;q=0, en;q=0.1', null, 'en'],
  ['en;q=0.2, zh-Hant;q=0.3', null, 'zh-CN'],
  [';;;q=,,x;q=zz', null, 'en'],
  ['zh', 'en', 'en'],
  ['en', 'zh', 'zh-CN'],
  ['en', 'xx', 'en'],
]

test('the page speaks the reader’s language', () => {
  for (const [header, chosen, language] of cases) {
    assert.equal(wordsFor(header, chosen).htmlLanguage, language, `${header} ${chosen}`)
  }
})
