import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SkeinError } from '@skein/runtime'
import {
  blocked,
  change,
  fourNodes,
  greylisted,
  plain,
  priority,
  silent,
  taken,
  unfinished,
  unknownUser,
} from './hand-over-fixture.ts'

test('a letter that is refused for the sake of the address leaves by the peer that is first in order, at once and once', async () => {
  const { mesh, says, took, asked, send } = await fourNodes()
  says.set('bj', blocked)
  const startMs = mesh.clock.nowMs()
  await send()
  await mesh.clock.advance(30_000)
  assert.deepEqual(
    took.map((it) => it.by),
    ['hk'],
  )
  assert.ok((took[0]?.atMs ?? Infinity) - startMs < 1_000)
  assert.deepEqual(asked, ['bj x@example.org', 'hk x@example.org'])
  assert.equal(unfinished(mesh), 0)
  assert.equal((await mesh.inbox('aaa@test.com')).length, 0)
  assert.deepEqual(await mesh.story('w1@test.com'), [
    'bj accepted',
    'bj routed x@example.org',
    'bj deferred x@example.org',
    'bj other-way x@example.org',
    'hk accepted',
    'bj relayed x@example.org',
    'hk handed-over x@example.org',
    'bj handed-over x@example.org',
  ])
})

test('connect refused on all hosts leaves by a peer too, and the letters behind it follow', async () => {
  const { mesh, says, took, send } = await fourNodes()
  says.set('bj', silent)
  const startMs = mesh.clock.nowMs()
  for (let i = 0; i < 20; i++) await send(`u${i}@example.org`, plain.replace('w1', `w${i}`))
  await mesh.clock.advance(30_000)
  assert.equal(took.length, 20)
  assert.ok(took.every((it) => it.by === 'hk' && it.atMs - startMs < 5_000))
  assert.equal(unfinished(mesh), 0)
})

test('order: disabled, relay off, not connected are passed over; then priority; then who got through last; then the name', async () => {
  const { mesh, says, took, send } = await fourNodes()
  says.set('bj', blocked)
  change(mesh, 'hk', { enabled: false })
  await send('a@one.example', plain.replace('w1', 'o1'))
  await mesh.clock.advance(5_000)
  change(mesh, 'tw', { relay: false })
  await send('a@two.example', plain.replace('w1', 'o2'))
  await mesh.clock.advance(5_000)
  change(mesh, 'hk', { enabled: true })
  mesh.crash('hk')
  await mesh.clock.advance(2_000)
  change(mesh, 'tw', { relay: true })
  await send('a@three.example', plain.replace('w1', 'o3'))
  await mesh.clock.advance(5_000)
  await mesh.start('hk')
  for (const node of ['hk', 'tw', 'sg']) priority(mesh, node, 50)
  await send('a@one.example', plain.replace('w1', 'o4'))
  await send('a@four.example', plain.replace('w1', 'o5'))
  await mesh.clock.advance(5_000)
  assert.deepEqual(
    took.map((it) => `${it.recipient} ${it.by}`),
    ['a@one.example tw', 'a@two.example sg', 'a@three.example tw', 'a@one.example tw', 'a@four.example hk'],
  )
})

test('the second and the third peer are asked within seconds as well', async () => {
  const { mesh, says, took, asked, send } = await fourNodes()
  says.set('bj', blocked)
  says.set('hk', silent)
  says.set('tw', blocked)
  const startMs = mesh.clock.nowMs()
  await send()
  await mesh.clock.advance(30_000)
  assert.deepEqual(
    asked,
    ['bj', 'hk', 'tw', 'sg'].map((it) => `${it} x@example.org`),
  )
  assert.deepEqual(
    took.map((it) => it.by),
    ['sg'],
  )
  assert.ok((took[0]?.atMs ?? Infinity) - startMs < 5_000)
})

test('a peer whose disk hangs holds a letter up for some seconds only, and does not send it when it wakes', async () => {
  const { mesh, says, took, send } = await fourNodes()
  says.set('bj', blocked)
  const { queue } = mesh.node('hk')
  const put = queue.put.bind(queue)
  let wake = (): void => {}
  const awake = new Promise<void>((resolve) => {
    wake = resolve
  })
  queue.put = async (item) => {
    await awake
    return put(item)
  }
  const startMs = mesh.clock.nowMs()
  await send()
  await mesh.clock.advance(30_000)
  assert.deepEqual(
    took.map((it) => it.by),
    ['tw'],
  )
  assert.ok((took[0]?.atMs ?? Infinity) - startMs < 15_000)
  wake()
  await mesh.clock.advance(3600_000)
  assert.equal(took.length, 1)
  assert.equal(unfinished(mesh), 0)
})

test('all refuse: one notice, from the origin, that names what each said', async () => {
  const { mesh, says, took, send } = await fourNodes()
  for (const node of ['bj', 'hk', 'tw', 'sg'])
    says.set(node, { ...blocked, text: `RCPT TO: 554 Client host of ${node} blocked` })
  await send()
  await mesh.clock.advance(60_000)
  assert.equal(took.length, 0)
  const notices = await mesh.inbox('aaa@test.com')
  assert.equal(notices.length, 1)
  const text = notices[0]?.text.replace(/\r\n[ \t]+/g, ' ') ?? ''
  assert.match(text, /Reporting-MTA: dns; ?bj\.test\.com/)
  assert.match(text, /Diagnostic-Code: smtp; ?554 5\.7\.1 .*of bj blocked .*hk: 554.*of hk blocked; tw: .*sg: /)
  assert.equal(unfinished(mesh), 0)
})

test('nobody answers anybody: the letter stays with its origin, each peer is asked once, and it goes when the domain is back', async () => {
  const { mesh, says, took, asked, send } = await fourNodes()
  for (const node of ['bj', 'hk', 'tw', 'sg']) says.set(node, silent)
  await send()
  await mesh.clock.advance(3 * 3600_000)
  assert.equal(asked.filter((it) => !it.startsWith('bj')).length, 3)
  assert.ok(asked.length > 7)
  says.clear()
  await mesh.clock.advance(4 * 3600_000)
  assert.deepEqual(
    took.map((it) => it.by),
    ['bj'],
  )
  assert.equal(unfinished(mesh), 0)
})

test('what another node would hear as well is not handed over', async () => {
  const { mesh, says, asked, send } = await fourNodes()
  says.set('bj', unknownUser)
  await send()
  await mesh.clock.advance(60_000)
  assert.deepEqual(asked, ['bj x@example.org'])
  assert.equal((await mesh.inbox('aaa@test.com')).length, 1)
})

test('a peer hears that there is no such user: that is final, and nobody else is asked', async () => {
  const { mesh, says, asked, send } = await fourNodes()
  says.set('bj', blocked)
  says.set('hk', unknownUser)
  await send()
  await mesh.clock.advance(60_000)
  assert.deepEqual(asked, ['bj x@example.org', 'hk x@example.org'])
  const [notice, ...more] = await mesh.inbox('aaa@test.com')
  assert.match(notice?.text ?? '', /Status: 5\.1\.1/)
  assert.equal(more.length, 0)
})

test('a peer that is greylisted tries again itself', async () => {
  const { mesh, says, took, asked, send } = await fourNodes()
  says.set('bj', blocked)
  let asking = 0
  says.set('hk', () => (++asking < 3 ? greylisted : taken))
  await send()
  await mesh.clock.advance(15 * 60_000)
  assert.deepEqual(
    asked,
    ['bj', 'hk', 'hk', 'hk'].map((it) => `${it} x@example.org`),
  )
  assert.deepEqual(
    took.map((it) => it.by),
    ['hk'],
  )
  assert.equal(unfinished(mesh), 0)
})

test('recipients of one letter: each goes its own way', async () => {
  const { mesh, says, took, send } = await fourNodes()
  says.set('bj', blocked)
  await send(['x@example.org', 'y@example.org', 'z@elsewhere.example', 'bbb@test.com'])
  await mesh.clock.advance(30_000)
  assert.deepEqual(took.map((it) => `${it.by} ${it.recipient}`).toSorted(), [
    'hk x@example.org',
    'hk y@example.org',
    'hk z@elsewhere.example',
  ])
  assert.equal((await mesh.inbox('bbb@test.com')).length, 1)
  assert.equal(unfinished(mesh), 0)
})

test('a large letter crosses in pieces, byte for byte', async () => {
  const { mesh, says, took, send } = await fourNodes()
  says.set('bj', blocked)
  const body = plain + 'many words\r\n'.repeat(80_000)
  await send('x@example.org', body)
  await mesh.clock.advance(30_000)
  assert.deepEqual(
    took.map((it) => it.by),
    ['hk'],
  )
  const { item } = mesh.node('hk').sent[0]?.consignment ?? {}
  assert.ok(item)
  const bytes = Buffer.from(await mesh.clock.runUntil(mesh.node('hk').log.read(item.blob))).toString()
  assert.ok(bytes.endsWith(body))
  assert.match(bytes, /^Received: from bj\.test\.com[^]*by hk\.test\.com with SKEIN/)
  assert.doesNotMatch(bytes, /Return-Path/)
})

test('a node hands over letters of its own users only, and a relay takes no others', async () => {
  const { mesh, says, asked } = await fourNodes()
  says.set('bj', blocked)
  mesh.map.aliases.set('fwd@test.com', ['x@example.net'])
  await mesh.accept('bj', 'stranger@example.com', ['fwd@test.com'], plain)
  await mesh.accept(
    'bj',
    'bbb@test.com',
    ['y@example.net'],
    plain.replace('aaa', 'bbb'),
    mesh.submitter('bbb@test.com'),
  )
  await mesh.clock.advance(30_000)
  assert.ok(
    asked.every((it) => it.startsWith('bj')),
    asked.join(),
  )
})

test('somebody who lives elsewhere and logged in here: handed over where the home says so, and only then', async () => {
  const { mesh, says, took } = await fourNodes()
  says.set('bj', blocked)
  const homes: string[] = []
  let answer: 'yes' | 'no' | 'silent' = 'yes'
  mesh.enteredAt = async ({ id, home }, node) => {
    homes.push(`${home} ${node}`)
    if (answer === 'silent') throw new SkeinError('peer-unreachable', 'temporary', 'no answer')
    return answer === 'yes' && id === mesh.map.entries.get('bbb@test.com')?.accountId && node === 'bj'
  }
  const send = (to: string, id: string) =>
    mesh.accept(
      'bj',
      'bbb@test.com',
      [to],
      plain.replace('aaa', 'bbb').replace('w1', id),
      mesh.submitter('bbb@test.com'),
    )
  await send('one@example.org', 'v1')
  await mesh.clock.advance(10_000)
  assert.deepEqual(
    took.map(({ by, recipient }) => `${by} ${recipient}`),
    ['hk one@example.org'],
  )
  assert.deepEqual(homes, ['hk bj'])
  // A home that is silent: asked again later, and nobody is told that it failed.
  answer = 'silent'
  await send('two@example.org', 'v2')
  await mesh.clock.advance(60_000)
  assert.equal(took.length, 1)
  assert.equal(unfinished(mesh), 1)
  answer = 'yes'
  await mesh.clock.advance(15 * 60_000)
  assert.equal(took.length, 2)
  // A home that knows nothing of it: every relay refuses, and the sender hears of the refusal.
  answer = 'no'
  await send('three@example.org', 'v3')
  await mesh.clock.advance(60_000)
  assert.equal(took.length, 2)
  assert.equal((await mesh.inbox('bbb@test.com')).length, 1)
})

test('an hour has room for so many letters of one peer', async () => {
  const { mesh, says, took, send } = await fourNodes({ errandsPerPeerHourMax: 10 })
  says.set('bj', blocked)
  change(mesh, 'tw', { relay: false })
  change(mesh, 'sg', { relay: false })
  for (let i = 0; i < 30; i++) await send(`u${i}@example.org`, plain.replace('w1', `w${i}`))
  await mesh.clock.advance(10_000)
  assert.equal(took.length, 10)
  await mesh.clock.advance(30 * 60_000)
  assert.ok(took.length >= 14 && took.length <= 16, `${took.length}`)
})

test('later letters go straight to the peer that got through; the own address is tried again now and then', async () => {
  const { mesh, says, took, asked, send } = await fourNodes()
  says.set('bj', blocked)
  says.set('hk', blocked)
  for (let i = 0; i < 40; i++) {
    await send(`u${i}@example.org`, plain.replace('w1', `w${i}`))
    await mesh.clock.advance(60_000)
  }
  assert.equal(took.length, 40)
  assert.ok(took.every((it) => it.by === 'tw'))
  const own = asked.filter((it) => it.startsWith('bj')).length
  assert.ok(own >= 2 && own <= 4, `${own} tries of its own in 40 minutes`)
  says.clear()
  for (let i = 40; i < 100; i++) {
    await send(`u${i}@example.org`, plain.replace('w1', `w${i}`))
    await mesh.clock.advance(60_000)
  }
  assert.equal(took.at(-1)?.by, 'bj')
  assert.equal(took.length, 100)
})

test('what one node has met, the others know', async () => {
  const { mesh, says, asked, send } = await fourNodes()
  says.set('bj', blocked)
  says.set('hk', blocked)
  await mesh.accept(
    'hk',
    'bbb@test.com',
    ['y@example.org'],
    plain.replace('aaa', 'bbb'),
    mesh.submitter('bbb@test.com'),
  )
  await mesh.clock.advance(10_000)
  asked.length = 0
  await send()
  await mesh.clock.advance(10_000)
  // hk is not asked: it said itself that it is refused there.
  assert.deepEqual(asked, ['bj x@example.org', 'tw x@example.org'])
})

test('a peer that is put out of the mesh while it has a letter: the letter goes another way at once', async () => {
  const { mesh, says, took, mind, send } = await fourNodes()
  says.set('bj', blocked)
  mind.answerMs = 5_000
  await send()
  await mesh.clock.advance(2_000 + mind.answerMs)
  mesh.crash('hk')
  mesh.map.nodes.delete('hk')
  mesh.map.changed()
  await mesh.clock.advance(30_000)
  assert.deepEqual(
    took.map((it) => it.by),
    ['tw'],
  )
  const story = await mesh.node('bj').delivery.traces('w1@test.com')
  assert.ok(
    story.some((it) => /hk.*may come twice/.test(it.detail)),
    story.map((it) => it.detail).join('\n'),
  )
})

test('a peer whose disk burnt knows nothing of the letter: it goes another way', async () => {
  const { mesh, says, took, mind, send } = await fourNodes()
  says.set('bj', blocked)
  mind.answerMs = 5_000
  await send()
  await mesh.clock.advance(2_000 + mind.answerMs)
  mesh.crash('hk')
  mesh.nodes.delete('hk')
  await mesh.start('hk')
  await mesh.clock.advance(30_000)
  assert.deepEqual(
    took.map((it) => it.by),
    ['tw'],
  )
  assert.equal(unfinished(mesh), 0)
})

test('a peer that is silent for too long is given up; coming back it asks first, and does not send', async () => {
  const { mesh, says, took, mind, send } = await fourNodes()
  says.set('bj', blocked)
  mind.answerMs = 5_000
  await send()
  await mesh.clock.advance(2_000 + mind.answerMs)
  mesh.crash('hk')
  await mesh.clock.advance(3 * 3600_000)
  assert.equal(took.length, 0)
  await mesh.clock.advance(2 * 3600_000)
  assert.deepEqual(
    took.map((it) => it.by),
    ['tw'],
  )
  await mesh.start('hk')
  await mesh.clock.advance(600_000)
  assert.equal(took.length, 1)
  assert.equal(unfinished(mesh), 0)
})

test('cancel: what the peer has not sent comes back, and the sender is told as of any letter', async () => {
  const { mesh, says, took, send } = await fourNodes()
  says.set('bj', blocked)
  says.set('hk', greylisted)
  const { queueId } = await send()
  await mesh.clock.advance(5_000)
  const { control } = mesh.node('bj').delivery
  assert.equal(control.list()[0]?.recipients[0]?.state, 'handed-over')
  await mesh.clock.runUntil(control.cancel(queueId))
  await mesh.clock.advance(5_000)
  says.clear()
  await mesh.clock.advance(3600_000)
  assert.equal(took.length, 0)
  assert.equal(unfinished(mesh), 0)
  assert.equal((await mesh.inbox('aaa@test.com')).length, 1)
})

test('cancel: what is being sent is delivered, and nobody is told otherwise', async () => {
  const { mesh, says, took, mind, send } = await fourNodes()
  says.set('bj', blocked)
  mind.answerMs = 2_000
  const { queueId } = await send()
  await mesh.clock.advance(3_000)
  await mesh.clock.runUntil(mesh.node('bj').delivery.control.cancel(queueId))
  await mesh.clock.advance(60_000)
  assert.deepEqual(
    took.map((it) => it.by),
    ['hk'],
  )
  assert.equal(unfinished(mesh), 0)
  assert.equal((await mesh.inbox('aaa@test.com')).length, 0)
})

test('cancel while the peer is away: carried out when it is back', async () => {
  const { mesh, says, took, send } = await fourNodes()
  says.set('bj', blocked)
  says.set('hk', greylisted)
  const { queueId } = await send()
  await mesh.clock.advance(5_000)
  mesh.crash('hk')
  await mesh.clock.advance(1_000)
  await mesh.clock.runUntil(mesh.node('bj').delivery.control.cancel(queueId))
  assert.equal(mesh.node('bj').delivery.stats().letters, 1)
  says.clear()
  mesh.crash('bj')
  await mesh.start('bj')
  await mesh.start('hk')
  await mesh.clock.advance(120_000)
  assert.equal(took.length, 0)
  assert.equal(unfinished(mesh), 0)
})

test('hold brings it back and keeps it; retry sends it on its way again', async () => {
  const { mesh, says, took, send } = await fourNodes()
  says.set('bj', blocked)
  says.set('hk', greylisted)
  const { queueId } = await send()
  await mesh.clock.advance(5_000)
  const { control } = mesh.node('bj').delivery
  await mesh.clock.runUntil(control.hold(queueId))
  assert.equal(control.list()[0]?.recipients[0]?.state, 'held')
  says.delete('hk')
  await mesh.clock.advance(3600_000)
  assert.equal(took.length, 0)
  await control.retry(queueId)
  await mesh.clock.advance(5_000)
  assert.equal(took.length, 1)
  assert.equal(unfinished(mesh), 0)
})

test('retry of a letter that a peer has: the peer tries at once; at the peer it is for the origin to say', async () => {
  const { mesh, says, took, send } = await fourNodes()
  says.set('bj', blocked)
  says.set('hk', greylisted)
  const { queueId } = await send()
  await mesh.clock.advance(5_000)
  says.delete('hk')
  const [errand] = mesh.node('hk').delivery.control.list()
  assert.ok(errand)
  await assert.rejects(mesh.node('hk').delivery.control.retry(errand.id), { code: 'not-our-letter' })
  await mesh.node('bj').delivery.control.retry(queueId)
  await mesh.clock.advance(2_000)
  assert.deepEqual(
    took.map((it) => it.by),
    ['hk'],
  )
  await mesh.clock.advance(2_000)
  assert.equal(unfinished(mesh), 0)
})

test('an operator of the peer takes it out: the origin goes another way', async () => {
  const { mesh, says, took, send } = await fourNodes()
  says.set('bj', blocked)
  says.set('hk', greylisted)
  await send()
  await mesh.clock.advance(5_000)
  const [errand] = mesh.node('hk').delivery.control.list()
  await mesh.clock.runUntil(mesh.node('hk').delivery.control.cancel(errand?.id ?? ''))
  await mesh.clock.advance(10_000)
  assert.deepEqual(
    took.map((it) => it.by),
    ['tw'],
  )
  assert.equal(unfinished(mesh), 0)
  assert.equal((await mesh.inbox('aaa@test.com')).length, 0)
})
