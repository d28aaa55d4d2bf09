// Acknowledged means kept: letters and appended messages answered with OK, then SIGKILL at once, are there after the next start.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ImapClient } from './harness/imap-client.ts'
import { ports, startNode } from './harness/skein.ts'
import { Stage, imapOf, letter, password, submissionTo } from './harness/stage.ts'

const sender = 'aaa@test.com'
const rounds = 8

test('what was acknowledged survives SIGKILL at once', { timeout: 120_000 }, async (t) => {
  const stage = new Stage(t)
  const node = await startNode({ name: 'hard', domains: ['test.com'], users: { [sender]: password } })
  stage.add(node)
  const acknowledged: string[] = []
  const flagged: string[] = []

  await stage.step('letters answered 250', async () => {
    const starts: number[] = []
    for (let round = 0; round < rounds; round++) {
      const sessions = await Promise.all(Array.from({ length: 4 }, () => submissionTo(node, sender)))
      // Whoever is answered first ends it for all: the others are in the middle of theirs.
      const attempts = sessions.map(async (client) => {
        for (;;) {
          const { id, text } = letter(sender, sender, `round ${round}`, 'x'.repeat(round * 3000))
          const reply = await client.send(sender, [sender], text)
          if (reply.code === 250) acknowledged.push(id)
        }
      })
      const before = acknowledged.length
      const wanted = before + 5 + round * 7
      const killer = (async () => {
        while (acknowledged.length < wanted) await new Promise((resolve) => setImmediate(resolve))
        await node.kill9()
      })()
      await Promise.allSettled(attempts)
      await killer
      await node.start()
      starts.push(node.startProcessorMs)
    }
    assert.ok(Math.max(...starts) < 3_000, `processor time of the starts: ${starts.join(', ')} ms`)
  })

  await stage.step('are in the mailbox, each once', async () => {
    await using client = await imapOf(node, sender)
    const total = await client.select('INBOX')
    const ids = await client.headerValues('Message-ID')
    assert.equal(ids.length, total)
    assert.equal(new Set(ids).size, ids.length, 'a letter is there twice')
    const missing = acknowledged.filter((id) => !ids.includes(`<${id}>`))
    assert.deepEqual(missing, [])
  })

  await stage.step('APPEND, STORE, COPY and CREATE answered OK are kept too', async () => {
    const client = await imapOf(node, sender)
    await client.must('CREATE "after the crash"')
    for (let number = 0; number < 20; number++) {
      const { id, text } = letter(sender, sender, `appended ${number}`)
      await client.must('APPEND "after the crash"', [Buffer.from(text)])
      flagged.push(id)
    }
    await client.select('after the crash')
    await client.must('STORE 1:10 +FLAGS.SILENT (\\Flagged)')
    await client.must('COPY 1:5 Archive')
    await node.kill9()
    client.link.destroy()
    await node.start()
    await using again = await ImapClient.login({ host: node.address, port: ports.imap }, sender, password)
    assert.equal(await again.count('after the crash'), 20)
    assert.equal(await again.count('Archive'), 5)
    await again.select('after the crash')
    const found = (await again.must('SEARCH FLAGGED')).untagged.find(({ text }) => text.startsWith('* SEARCH'))
    assert.equal(found?.text, '* SEARCH 1 2 3 4 5 6 7 8 9 10')
    assert.deepEqual(
      await again.headerValues('Message-ID'),
      flagged.map((id) => `<${id}>`),
    )
  })

  await stage.step('and the store checks clean, running and stopped', async () => {
    const running = await node.json<{ problems: unknown[] }>(['check'])
    assert.deepEqual(running.problems, [])
    await node.stop()
    const stopped = await node.json<{ problems: unknown[]; messages: number }>(['check'])
    assert.deepEqual(stopped.problems, [])
    assert.ok(stopped.messages >= acknowledged.length + 25)
  })
})
