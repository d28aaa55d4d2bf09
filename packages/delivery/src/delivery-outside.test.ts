import assert from 'node:assert/strict'
import { test } from 'node:test'
import { letter, twoNodes } from './mesh-fixture.ts'

test('mail outside: refused for good comes back as a notice with the header, not the body; the notice has no sender', async () => {
  const mesh = await twoNodes()
  mesh.outside = async ({ recipients }) =>
    recipients.map(() => ({
      atMs: mesh.clock.nowMs(),
      kind: 'permanent',
      code: 550,
      status: '5.1.1',
      text: 'no such user',
      courier: 'outside',
      hop: 'mx.example.org',
    }))
  const source = mesh.submitter('aaa@test.com')
  await mesh.accept(
    'bj',
    'aaa@test.com',
    ['Ghost@Example.org'],
    'Subject: lost\r\nFrom: aaa@test.com\r\n\r\nsecret body\r\n',
    source,
  )
  await mesh.clock.advance(1000)
  const [notice] = await mesh.inbox('aaa@test.com')
  assert.ok(notice)
  assert.match(notice.text, /^Return-Path: <>\r\n/)
  assert.match(notice.text, /Final-Recipient: rfc822; ?Ghost@example\.org/i)
  assert.match(notice.text, /Action: failed/)
  assert.match(notice.text, /Status: 5\.1\.1/)
  assert.match(notice.text, /Remote-MTA: dns; ?mx\.example\.org/i)
  assert.match(notice.text, /Subject: lost/)
  assert.doesNotMatch(notice.text, /secret body/)
  assert.equal(mesh.node('bj').delivery.stats().letters, 0)
})

test('a notice that can not be delivered ends there', async () => {
  const mesh = await twoNodes()
  mesh.outside = async ({ recipients }) =>
    recipients.map(() => ({
      atMs: mesh.clock.nowMs(),
      kind: 'permanent',
      code: 550,
      status: '5.1.1',
      text: 'no',
      courier: 'outside',
      hop: 'mx',
    }))
  mesh.map.aliases.set('fwd@test.com', ['x@example.net'])
  await mesh.accept('bj', 'forged@example.org', ['fwd@test.com'], letter)
  await mesh.clock.advance(3600_000)
  assert.equal(mesh.node('bj').sent.length, 2)
  // What goes out begins after the Return-Path line.
  const { item } = mesh.node('bj').sent[0]?.consignment ?? {}
  const bytes = await mesh.clock.runUntil(mesh.node('bj').log.read(item?.blob ?? { segment: 0, offset: 0, length: 0 }))
  assert.match(Buffer.from(bytes).toString(), /^Return-Path: <forged@example\.org>\r\n/)
  assert.match(Buffer.from(bytes.subarray(item?.returnPathBytes)).toString(), /^Received: /)
  assert.equal(mesh.node('bj').sent[1]?.consignment.item.from, '')
  assert.equal(mesh.node('bj').delivery.stats().letters, 0)
})

test('outside: the table of pauses, a notice of delay after 4 hours, failure after 5 days', async () => {
  const mesh = await twoNodes()
  const tries: number[] = []
  const startMs = mesh.clock.nowMs()
  mesh.outside = async ({ recipients }) => {
    tries.push(Math.round((mesh.clock.nowMs() - startMs) / 60_000))
    return recipients.map(() => ({
      atMs: mesh.clock.nowMs(),
      kind: 'temporary',
      code: 451,
      status: '4.7.1',
      text: 'greylisted',
      courier: 'outside',
      hop: 'mx.example.org',
    }))
  }
  const plain = 'From: aaa@test.com\r\nSubject: x\r\n\r\nx\r\n'
  await mesh.accept('bj', 'aaa@test.com', ['x@example.org'], plain, mesh.submitter('aaa@test.com'))
  await mesh.clock.advance(4.1 * 3600_000)
  const [delay, ...none] = await mesh.inbox('aaa@test.com')
  assert.match(delay?.text ?? '', /Action: delayed/)
  assert.match(delay?.text ?? '', /Will-Retry-Until/)
  assert.equal(none.length, 0)
  assert.ok(tries.length >= 6 && tries.length <= 9, tries.join())
  await mesh.clock.advance(6 * 24 * 3600_000)
  const [, failure, ...more] = await mesh.inbox('aaa@test.com')
  assert.match(failure?.text ?? '', /Action: failed[^]*Status: 5\.4\.7|Status: 5\.4\.7[^]*Action: failed/)
  assert.equal(more.length, 0)
  assert.equal(mesh.node('bj').delivery.stats().letters, 0)
  assert.ok((tries.at(-1) ?? 0) <= 5 * 24 * 60 + 1)
})

test('an outside domain that does not answer is asked by one letter at a time', async () => {
  const mesh = await twoNodes()
  let down = true
  mesh.outside = async ({ recipients }) =>
    recipients.map(() => ({
      atMs: mesh.clock.nowMs(),
      kind: down ? ('temporary' as const) : ('delivered' as const),
      code: down ? 450 : 250,
      status: down ? '4.4.1' : '2.0.0',
      text: down ? 'no answer' : 'ok',
      courier: 'outside' as const,
      hop: 'mx.example.org',
    }))
  const plain = 'From: aaa@test.com\r\n\r\nx\r\n'
  for (let i = 0; i < 20; i++) {
    await mesh.accept('bj', 'aaa@test.com', [`u${i}@example.org`], plain, mesh.submitter('aaa@test.com'))
  }
  await mesh.clock.advance(3600_000)
  const asked = mesh.node('bj').sent.length
  assert.ok(asked < 20, `asked ${asked} times in an hour`)
  down = false
  await mesh.clock.advance(3600_000)
  assert.equal(mesh.node('bj').delivery.stats().letters, 0)
  assert.equal(mesh.node('bj').sent.length, asked + 20)
})

test('no more letters at once to one outside domain, and in all, than the limits say', async () => {
  const mesh = await twoNodes({ outsideDeliveriesPerDomainMax: 2, outsideDeliveriesAtOnceMax: 5 })
  let running = 0
  let most = 0
  const perDomain = new Map<string, number>()
  mesh.outside = async ({ recipients }, destination) => {
    const domain = destination.kind === 'outside' ? destination.domain : ''
    running++
    perDomain.set(domain, (perDomain.get(domain) ?? 0) + 1)
    assert.ok((perDomain.get(domain) ?? 0) <= 2)
    most = Math.max(most, running)
    await new Promise<void>((resolve) => mesh.clock.setTimer(1000, resolve))
    running--
    perDomain.set(domain, (perDomain.get(domain) ?? 0) - 1)
    return recipients.map(() => ({
      atMs: 0,
      kind: 'delivered' as const,
      code: 250,
      status: '2.0.0',
      text: 'ok',
      courier: 'outside' as const,
      hop: 'mx',
    }))
  }
  const plain = 'From: aaa@test.com\r\n\r\nx\r\n'
  for (let i = 0; i < 40; i++) {
    await mesh.accept('bj', 'aaa@test.com', [`u${i}@d${i % 8}.org`], plain, mesh.submitter('aaa@test.com'))
  }
  await mesh.clock.advance(30_000)
  assert.equal(mesh.node('bj').delivery.stats().letters, 0)
  assert.equal(most, 5)
})

test('a domain gets no more letters in a minute than the operator allows, and others do not wait for it', async () => {
  const mesh = await twoNodes({ outsidePerMinute: { 'slow.org': 6 } })
  const plain = 'From: aaa@test.com\r\n\r\nx\r\n'
  for (let i = 0; i < 12; i++) {
    for (const domain of ['slow.org', 'fast.org']) {
      await mesh.accept('bj', 'aaa@test.com', [`u${i}@${domain}`], plain, mesh.submitter('aaa@test.com'))
    }
  }
  const sentTo = (domain: string) =>
    mesh.node('bj').sent.filter(({ destination }) => destination.kind === 'outside' && destination.domain === domain)
      .length
  await mesh.clock.advance(1_000)
  assert.equal(sentTo('fast.org'), 12)
  assert.equal(sentTo('slow.org'), 1)
  await mesh.clock.advance(60_000)
  assert.equal(sentTo('slow.org'), 7)
  await mesh.clock.advance(60_000)
  assert.equal(mesh.node('bj').delivery.stats().letters, 0)
})
