import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AnswerWatch } from './answer-watch.ts'

test('an answer is over after its line, or after the dot of its list', () => {
  for (const [text, expected] of [
    ['', true],
    ['+OK', false],
    ['+OK ready\r\n', true],
    ['-ERR no\r\n', true],
    ['+ \r\n', true],
    ['+OK 2 messages\r\n1 120\r\n', false],
    ['+OK 2 messages\r\n1 120\r\n2 3\r\n.\r\n', true],
    ['+OK\r\nSubject: x\r\n\r\n..\r\n', false],
    ['+OK\r\nSubject: x\r\n\r\n.. \r\n+OK\r\n', false],
    ['+OK\r\nSubject: x\r\n\r\n+OK\r\n.\r\n', true],
    ['+OK\r\nSubject: x\r\n\r\n+OK\r\n.\r\n-ERR', false],
    ['+OK none\r\n.\r\n', true],
  ] as const) {
    for (const size of [1, 2, 3, 7, 1000]) {
      const watch = new AnswerWatch()
      for (let at = 0; at < text.length; at += size) watch.push(Buffer.from(text.slice(at, at + size)))
      assert.equal(watch.betweenLines, expected, `${JSON.stringify(text)} by ${size}`)
    }
  }
})
