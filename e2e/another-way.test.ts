// A letter that the world refuses from one node leaves by another, once: three real nodes, a mail server outside that refuses
// some of them, and SIGKILL at random moments of the hand-over, on either side.
import assert from 'node:assert/strict'
import { createHash, randomInt } from 'node:crypto'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { imapSubjects } from './harness/inbox-subjects.ts'
import { eventually } from './harness/poll.ts'
import { type SkeinNode, startMesh } from './harness/skein.ts'
import { type SinkMoment, SmtpSink } from './harness/smtp-sink.ts'
import { Stage, letter, password, submissionTo } from './harness/stage.ts'

const blocked = '554 5.7.1 Service unavailable; Client host blocked using zen.spamhaus.org'
const user = 'aaa@test.com'
/** What a node knows is on its disk so much later. */
const syncedAfterMs = 250

interface QueuedLetter {
  id: string
  messageId: string
  recipients: { state: string; relay?: string; handOver?: { phase: string; sinceMs: number } }[]
}

test('a refused letter finds another way out', { timeout: 420_000 }, async (t) => {
  const stage = new Stage(t)
  /** What each node hears, by the name that it gives itself. */
  const says = new Map<string, string>()
  let beforeTaking: (moment: SinkMoment) => Promise<void> = async () => {}
  let gate: Promise<void> = Promise.resolve()
  let asked = 0
  const sink = await SmtpSink.start({
    async judge(moment) {
      if (moment.at === 'end') await beforeTaking(moment).then(() => gate)
      else if (moment.at === 'recipient') {
        asked++
        return says.get(moment.helo.split('.')[0] ?? '')
      }
      return undefined
    },
  })
  stage.cleanup(() => sink.stop())
  let bj: SkeinNode
  let hk: SkeinNode
  let tw: SkeinNode

  /** Submits at bj; resolves with the Message-ID. */
  const send = async (to: string): Promise<string> => {
    const { id, text } = letter(user, to, `to ${to}`)
    await using client = await submissionTo(bj, user)
    const reply = await client.send(user, [to], text)
    assert.equal(reply.code, 250, reply.text)
    return id
  }
  /**
   * Kills the node, but not in SMTP's own window: between the 250 that it was given and its record of that, a crash sends the
   * letter again. The server outside takes nothing meanwhile.
   */
  const killOutsideTheWindow = async (victim: SkeinNode) => {
    let open = () => {}
    gate = new Promise((resolve) => (open = resolve))
    const mine = sink.letters.filter(({ helo }) => helo.split('.')[0] === victim.name).slice(-10)
    await eventually(
      async () => {
        const waiting = (await victim.ask<QueuedLetter[]>('queue.list')).filter(({ recipients }) =>
          recipients.some(({ state }) => state === 'pending'),
        )
        return !waiting.some(({ messageId }) => mine.some(({ bytes }) => bytes.includes(`<${messageId}>`)))
      },
      { what: `${victim.name} knows what was taken`, deadlineMs: 20_000, everyMs: 20 },
    )
    await delay(syncedAfterMs)
    await victim.kill9()
    // Connections of the dead are seen to be gone before anything more is taken.
    await delay(50)
    open()
    await victim.start()
  }
  const took = (id: string) => sink.letters.filter((it) => it.bytes.includes(`<${id}>`))
  const leftBy = (id: string, deadlineMs = 30_000) =>
    eventually(() => took(id)[0]?.helo.split('.')[0], { what: `letter ${id} outside`, deadlineMs })
  const emptyQueues = () =>
    eventually(
      async () => {
        for (const node of [bj, hk, tw]) {
          const { queue } = await node.ask<{ queue: { letters: number } }>('status')
          if (queue.letters > 0) throw new Error(`${queue.letters} letters on ${node.name}`)
        }
        return true
      },
      { what: 'empty queues', deadlineMs: 120_000, everyMs: 200 },
    )

  await stage.step('three nodes, a user on the first, all mail outside to one server', async () => {
    const nodes = await startMesh(['bj', 'hk', 'tw'])
    stage.add(...nodes)
    ;[bj, hk, tw] = nodes as [SkeinNode, SkeinNode, SkeinNode]
    for (const node of nodes) {
      node.appendSettings(`\n[outside.routes]\n"*" = "${sink.route}"\n"closed.example" = "${sink.address}:1"\n`)
      await node.restart()
    }
    await bj.addUser(user, password)
    await bj.must(['node', 'set', 'hk', '--priority', '10'])
    await bj.must(['node', 'set', 'tw', '--priority', '20'])
    for (const node of nodes) {
      await eventually(
        async () => {
          const list = await node.nodes()
          const ready = list.every((it) => it.state === 'up') && list.find((it) => it.name === 'tw')?.priority === 20
          return ready && (await node.users()).length === 1
        },
        { what: `${node.name} knows everybody` },
      )
    }
    says.set('bj', blocked)
  })

  await stage.step('refused at bj, it leaves by the peer that is first in order, and trace says why', async () => {
    const started = performance.now()
    const id = await send('x@first.example')
    assert.equal(await leftBy(id), 'hk')
    t.diagnostic(`out by a peer ${Math.round(performance.now() - started)} ms after it was handed in`)
    const { stdout } = await eventually(
      async () => {
        const told = await bj.command(['trace', id])
        return told.stdout.includes('handed-over') && told.stdout.includes('relayed') ? told : undefined
      },
      { what: 'the trace' },
    )
    assert.match(stdout, /another way is looked for: .*blocked using zen\.spamhaus\.org/)
    assert.match(stdout, /other-way +x@first\.example +hk is asked to send it: .*priority 10/)
    assert.match(stdout, /relayed +x@first\.example +hk has it and sends it, ticket/)
    await emptyQueues()
    assert.equal(took(id).length, 1)
  })

  await stage.step('it is signed by the node where it came in, and the signature holds whoever sends it', async () => {
    const text = sink.letters[0]?.bytes.toString('latin1') ?? ''
    const [head = '', body = ''] = text.split(/\r\n\r\n([^]*)/)
    const unfolded = head.replaceAll(/\r\n[ \t]+/g, ' ')
    assert.match(
      unfolded,
      /^Received: from bj\.test\.com \(bj\.test\.com \[127\.[\d.]+\]\) by hk\.test\.com with SKEIN/,
    )
    assert.match(unfolded, /^DKIM-Signature: .*d=test\.com; s=bj-/m)
    // RFC 6376 §3.4.4: the body as relaxed says, without empty lines at its end.
    const relaxed = body
      .replaceAll(/[ \t]+/g, ' ')
      .replaceAll(/ (?=\r\n)/g, '')
      .replace(/(\r\n)*$/, '\r\n')
    const bodyHash = createHash('sha256').update(relaxed, 'latin1').digest('base64')
    assert.ok(unfolded.includes(`bh=${bodyHash}`), unfolded)
  })

  await stage.step('connect refused on all hosts counts as refused', async () => {
    const id = await send('x@closed.example')
    // hk and tw have the same closed route: nobody gets through, and the letter stays with bj.
    await eventually(
      async () => {
        const queue = await bj.json<QueuedLetter[]>(['queue', 'list'])
        const told = await bj.command(['trace', id])
        return queue.some((it) => it.messageId === id) && /other-way.*\bhk\b[^]*other-way.*\btw\b/.test(told.stdout)
      },
      { what: 'both peers were asked', deadlineMs: 30_000 },
    )
    const queued = await bj.json<QueuedLetter[]>(['queue', 'list'])
    await bj.must(['queue', 'cancel', queued.find((it) => it.messageId === id)?.id ?? ''])
    await emptyQueues()
  })

  await stage.step('a peer that is disabled, or may not relay, is passed over; priority decides', async () => {
    await bj.must(['node', 'set', 'hk', '--relay', 'false'])
    assert.equal(await leftBy(await send('x@second.example')), 'tw')
    await bj.must(['node', 'set', 'hk', '--relay', 'true', '--enabled', 'false'])
    assert.equal(await leftBy(await send('x@third.example')), 'tw')
    await bj.must(['node', 'set', 'hk', '--enabled', 'true', '--priority', '90'])
    assert.equal(await leftBy(await send('x@fourth.example')), 'tw')
    await bj.must(['node', 'set', 'hk', '--priority', '10'])
    assert.equal(await leftBy(await send('x@fifth.example')), 'hk')
    await emptyQueues()
  })

  await stage.step('the second peer is asked where the first is refused as well, with 421 and with 550', async () => {
    says.set('hk', '421 4.7.0 Messages from your IP temporarily deferred due to user complaints')
    assert.equal(await leftBy(await send('x@sixth.example')), 'tw')
    says.set('hk', '550 5.7.1 Your IP address is on our block list')
    assert.equal(await leftBy(await send('x@seventh.example')), 'tw')
    await emptyQueues()
  })

  await stage.step('all refuse: one notice, from the origin', async () => {
    says.set('tw', blocked)
    await send('x@eighth.example')
    const subjects = await eventually(
      async () => {
        const found = await imapSubjects(bj, user)
        return found.length > 1 ? found : undefined
      },
      { what: 'the notice', deadlineMs: 30_000 },
    )
    await emptyQueues()
    assert.equal(subjects.length, 2, subjects.join())
    says.delete('tw')
    says.delete('hk')
  })

  await stage.step('queue list shows who has it; cancel brings back what is not sent', async () => {
    says.set('hk', '451 4.7.1 Greylisted, come back later')
    const id = await send('x@ninth.example')
    const queued = await eventually(
      async () => {
        const list = await bj.json<QueuedLetter[]>(['queue', 'list'])
        return list.find((it) => it.messageId === id && it.recipients[0]?.handOver?.phase === 'granted')
      },
      { what: 'a letter with hk' },
    )
    assert.equal(queued.recipients[0]?.relay, 'hk')
    const { stdout } = await bj.must(['queue', 'list'])
    assert.match(stdout, /handed-over.*hk sends it, since /)
    const there = await hk.must(['queue', 'list'])
    assert.match(there.stdout, /sent for bj/)
    await bj.must(['queue', 'cancel', queued.id])
    await emptyQueues()
    says.delete('hk')
    await delay(200)
    assert.equal(took(id).length, 0)
  })

  for (const [name, kills, victims] of [
    ['the peer', 20, () => [hk]],
    ['the origin', 20, () => [bj]],
    ['either side', 8, () => [bj, hk, tw]],
  ] as const) {
    await stage.step(
      `${name} is killed at ${kills} random moments during hand-over: delivered once every time`,
      async () => {
        const ids: string[] = []
        const askedBefore = asked
        for (let round = 0; round < kills; round++) {
          // Sometimes the server thinks for a while before it takes the letter: the kill falls into that, too.
          const thinkMs = randomInt(3) === 0 ? randomInt(150) : 0
          beforeTaking = () => delay(thinkMs)
          ids.push(await send(`k${round}@${name.replaceAll(' ', '-')}${round % 4}.example`))
          const victim = victims()[randomInt(victims().length)] as SkeinNode
          await delay(randomInt(120))
          await killOutsideTheWindow(victim)
        }
        beforeTaking = async () => {}
        await emptyQueues()
        assert.deepEqual(
          ids.map((id) => took(id).length),
          ids.map(() => 1),
        )
        t.diagnostic(`${name}: ${ids.length} letters, ${kills} kills, ${asked - askedBefore} tries`)
      },
    )
  }

  await stage.step('the sender has heard of nothing more', async () => {
    const subjects = await imapSubjects(bj, user)
    // One for the letter that all refused, and one for each that an operator took out.
    assert.equal(subjects.length, 3, subjects.join())
  })
})
