// A search of a real node: quick once the index is there, right before, after a SIGKILL, and when the index was removed.
import assert from 'node:assert/strict'
import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { ImapClient } from './harness/imap-client.ts'
import { eventually } from './harness/poll.ts'
import { startNode } from './harness/skein.ts'
import { Stage, imapOf, password } from './harness/stage.ts'

const count = 2000

async function search(client: ImapClient, keys: string): Promise<{ found: number[]; ms: number }> {
  const start = performance.now()
  const result = await client.must(`SEARCH CHARSET UTF-8 ${keys}`)
  const line = result.untagged.find(({ text }) => text.startsWith('* SEARCH'))?.text ?? ''
  return { found: line.split(' ').slice(2).map(Number), ms: performance.now() - start }
}

test('letters are found by what they say', { timeout: 120_000 }, async (t) => {
  const stage = new Stage(t)
  const user = 'aaa@test.com'
  const node = await startNode({ name: 'bj', users: { [user]: password } })
  stage.add(node)
  let client = await imapOf(node, user)

  await stage.step('2,000 letters, a tenth of them Chinese', async () => {
    await client.must('SELECT INBOX')
    for (let number = 1; number <= count; number++) {
      const body = number % 10 === 0 ? `会议纪要 第${number}号` : `The minutes of meeting number ${number}.`
      const text = `From: a@test.com\r\nSubject: letter ${number}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n${body}\r\n`
      await client.must('APPEND INBOX', [Buffer.from(text)])
    }
  })

  const everything = async () => {
    assert.deepEqual((await search(client, 'BODY "number 777."')).found, [777])
    assert.equal((await search(client, 'TEXT "eeting num"')).found.length, count * 0.9)
    assert.deepEqual((await search(client, 'OR SUBJECT "letter 1999" TEXT "nowhere"')).found, [1999])
    const chinese = await client.command('SEARCH CHARSET UTF-8 TEXT', [Buffer.from('第1230号')])
    assert.deepEqual(
      chinese.untagged.map(({ text }) => text),
      ['* SEARCH 1230'],
    )
  }

  await stage.step('what a search says is right while the index is being made', everything)

  await stage.step('then it is quick', async () => {
    await eventually(async () => (await search(client, 'TEXT nowhere')).ms < 50, {
      what: 'a quick search',
      deadlineMs: 60_000,
    })
    await everything()
  })

  await stage.step('after a SIGKILL, and without what was indexed', async () => {
    for (const removed of [false, true]) {
      await node.kill9()
      const folder = join(node.data, 'search')
      assert.ok(existsSync(folder))
      if (removed) rmSync(folder, { recursive: true })
      await node.start()
      client = await imapOf(node, user)
      await client.must('SELECT INBOX')
      await everything()
      await delay(200)
      await everything()
    }
  })
})
