// 10,000 letters wait for a mail server that takes seconds over each; letters for others leave as if they were not there.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { eventually } from './harness/poll.ts'
import { type SkeinNode, startNode } from './harness/skein.ts'
import { SmtpSink } from './harness/smtp-sink.ts'
import { Stage, letter, password, submissionTo } from './harness/stage.ts'

const user = 'aaa@test.com'
const waiting = 10_000
const others = 150
const thinkMs = 5_000

test('10,000 letters for a slow destination do not delay those for others', { timeout: 240_000 }, async (t) => {
  const stage = new Stage(t)
  const inHand = new Set<object>()
  let mostInHand = 0
  const sink = await SmtpSink.start({
    async judge(moment) {
      if (moment.at !== 'end' || !moment.recipients.some((it) => it.endsWith('@slow.example'))) return undefined
      inHand.add(moment)
      mostInHand = Math.max(mostInHand, inHand.size)
      await delay(thinkMs)
      inHand.delete(moment)
      return undefined
    },
  })
  stage.cleanup(() => sink.stop())
  let node: SkeinNode
  let alone = 0

  /** From the node's 250 to the sink's, of letters to twenty domains, one every 20 ms. */
  const measure = async (): Promise<number> => {
    const accepted = new Map<string, number>()
    await using client = await submissionTo(node, user)
    for (let i = 0; i < others; i++) {
      const to = `v@q${i % 20}.example`
      const { id, text } = letter(user, to, 'quick')
      const reply = await client.send(user, [to], text)
      assert.equal(reply.code, 250, reply.text)
      accepted.set(id, performance.now())
      await delay(20)
    }
    const took = () =>
      sink.letters.flatMap(({ bytes, atMs }) => {
        const id = /^Message-ID: <(.*)>/im.exec(bytes.toString('latin1'))?.[1] ?? ''
        const startMs = accepted.get(id)
        return startMs === undefined ? [] : [atMs - startMs]
      })
    await eventually(() => took().length === others, { what: 'the quick letters outside' })
    return took().toSorted((a, b) => a - b)[Math.floor(others * 0.95)] ?? Infinity
  }

  await stage.step('a node, and how long letters take while nothing waits', async () => {
    node = await startNode({ name: 'bj', users: { [user]: password } })
    stage.add(node)
    const noEnd = ['user-letters-per-hour-max', 'user-recipients-per-hour-max', 'user-recipients-per-day-max']
    node.setSettings({ smtp: Object.fromEntries(noEnd.map((key) => [key, 0])) })
    node.appendSettings(`\n[outside.routes]\n"*" = "${sink.route}"\n`)
    await node.restart()
    await measure()
    alone = await measure()
  })

  await stage.step('10,000 letters come in for a server that takes 5 s over each', async () => {
    const send = async (count: number) => {
      await using client = await submissionTo(node, user)
      for (let i = 0; i < count; i++) {
        const reply = await client.send(user, ['u@slow.example'], letter(user, 'u@slow.example', 'slow').text)
        assert.equal(reply.code, 250, reply.text)
      }
    }
    await Promise.all(Array.from({ length: 10 }, () => send(waiting / 10)))
    const { queue } = await node.ask<{ queue: { letters: number } }>('status')
    assert.ok(queue.letters > waiting - 200, `${queue.letters} letters wait`)
  })

  await stage.step('the others take no longer', async () => {
    const beside = await measure()
    t.diagnostic(
      `p95 ${alone.toFixed(1)} ms alone, ${beside.toFixed(1)} ms beside 10,000 letters; ${mostInHand} at once`,
    )
    // A busy machine's own noise is some milliseconds.
    assert.ok(beside < 2 * alone + 20, `p95 ${beside} ms, ${alone} ms alone`)
    assert.ok(mostInHand <= 10, `${mostInHand} at once to the slow server`)
  })
})
