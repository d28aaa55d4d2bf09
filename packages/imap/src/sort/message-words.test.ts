import assert from 'node:assert/strict'
import { test } from 'node:test'
import { indexMessage } from '@skein/mail'
import { WordCache } from './message-words.ts'

const indexOf = (...lines: string[]) => indexMessage(Buffer.from([...lines, '', ''].join('\r\n')))

test('what sorting and threading look at', () => {
  const words = new WordCache(10_000)
  const index = indexOf(
    'Subject: Re: [list] Héllo',
    'From: "Zed" <abc@x.test>, other@x.test',
    'To: plain@y.test',
    'Message-ID: <"own"@x>',
    'References: <1@x> <2@x>',
    'In-Reply-To: <3@x>',
    'Date: Wed, 1 Jul 2026 12:00:00 +0800',
  )
  const read = <Name extends Parameters<WordCache['read']>[1]>(name: Name) => words.read('account', name, 'id', index)
  assert.equal(read('subject'), Buffer.from('HE\u0301LLO').toString('latin1'))
  assert.equal(read('reply'), true)
  assert.equal(read('from'), 'ABC')
  assert.equal(read('displayFrom'), 'ZED')
  assert.equal(read('displayTo'), 'PLAIN@Y.TEST')
  assert.equal(read('cc'), '')
  assert.equal(read('sent'), Date.UTC(2026, 6, 1, 4))
  assert.deepEqual(read('ids'), ['own@x', '1@x', '2@x'])
  const reply = indexOf('In-Reply-To: <3@x> <4@x>')
  assert.deepEqual(words.read('account', 'ids', 'reply', reply), ['', '3@x'])
  assert.ok(Number.isNaN(words.read('account', 'sent', 'reply', reply)))
})

test('the words kept stay within their bound, the longest unused go first', () => {
  const words = new WordCache(4_000)
  const fill = (account: string, count: number) => {
    for (let at = 0; at < count; at++) words.read(account, 'subject', `${at}`, indexOf(`Subject: letter ${at}`))
  }
  fill('a', 20)
  fill('b', 20)
  assert.equal(words.of('a', 'subject').size, 20)
  fill('c', 20)
  assert.equal(words.of('b', 'subject').size, 0)
  assert.equal(words.of('a', 'subject').size, 20)
  fill('d', 1_000)
  assert.ok(words.bytes <= 4_000)
  const huge = indexOf(`Subject: ${'x'.repeat(5_000)}`)
  assert.equal(words.read('d', 'subject', 'huge', huge).length, 5_000)
  assert.equal(words.of('d', 'subject').has('huge'), false)
})
