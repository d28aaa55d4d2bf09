import assert from 'node:assert/strict'
import { test } from 'node:test'
import { letter, twoNodes } from './mesh-fixture.ts'

test('a letter to a mailbox here is in it when it is acknowledged, and never was in the queue', async () => {
  const mesh = await twoNodes()
  const { queueId } = await mesh.accept('bj', 's@example.org', ['aaa@test.com'], letter)
  const [message] = await mesh.inbox('aaa@test.com')
  assert.ok(message)
  assert.match(
    message.text,
    new RegExp(
      `^Return-Path: <s@example\\.org>\r\nReceived: from mx\\.example\\.org [^]*by bj\\.test\\.com with ESMTP[^]*` +
        `id ${queueId} for <aaa@test\\.com>;\r\n\t[^\r]*\r\nMessage-ID`,
    ),
  )
  assert.ok(message.text.endsWith(Buffer.from(letter).toString('latin1')))
  assert.equal(message.record.emailId, queueId)
  assert.equal(mesh.node('bj').delivery.stats().direct, 1)
  assert.equal(await mesh.clock.runUntil(mesh.node('bj').queue.get(queueId)), undefined)
  assert.deepEqual(await mesh.story('m1@example.org'), ['bj accepted', 'bj delivered aaa@test.com'])
})

test('a letter to another node crosses the mesh, keeps its bytes, and tells its way', async () => {
  const mesh = await twoNodes()
  const { queueId } = await mesh.accept('bj', 's@example.org', ['bbb+tag@test.com'], letter)
  await mesh.clock.advance(1000)
  const [message] = await mesh.inbox('bbb@test.com')
  assert.ok(message)
  assert.ok(message.text.endsWith(Buffer.from(letter).toString('latin1')))
  const fields = message.text
    .slice(0, message.text.indexOf('Message-ID'))
    .replaceAll(/\r\n\s+/g, ' ')
    .split('\r\n')
  assert.match(fields[0] ?? '', /^Return-Path: <s@example\.org>$/)
  assert.match(
    fields[1] ?? '',
    new RegExp(
      `^Received: from bj.test.com .*127.0.0.135.* by hk.test.com with SKEIN id ${queueId} for <bbb\\+tag@test.com>`,
    ),
  )
  assert.match(fields[2] ?? '', /^Received: from mx\.example\.org .* by bj\.test\.com with ESMTP/)
  assert.equal(fields.length, 4)
  assert.deepEqual(await mesh.story(queueId), [
    'bj accepted',
    'bj routed bbb+tag@test.com',
    'hk delivered bbb+tag@test.com',
    'bj handed-over bbb+tag@test.com',
  ])
  const told = (await mesh.node('bj').delivery.traces(queueId)).map((it) => it.detail)
  assert.deepEqual(told.slice(1), ['the mailbox is on hk', 'hk: 250 2.1.5 in the mailbox'])
  assert.equal(mesh.node('bj').delivery.stats().letters, 0)
})

test('recipients at one node travel together, each mailbox gets one letter', async () => {
  const mesh = await twoNodes()
  await mesh.account('ccc@test.com', 'hk')
  mesh.map.aliases.set('all@test.com', ['aaa@test.com', 'bbb@test.com', 'ccc@test.com'])
  await mesh.accept('bj', 's@example.org', ['all@test.com', 'bbb@test.com'], letter)
  await mesh.clock.advance(1000)
  for (const address of ['aaa@test.com', 'bbb@test.com', 'ccc@test.com']) {
    assert.equal((await mesh.inbox(address)).length, 1, address)
  }
  const offers = mesh.events.filter((it) => it.startsWith('bj -> hk request mail'))
  assert.equal(offers.length, 1)
})

test('a large letter crosses in pieces, in whatever order they arrive, byte for byte', async () => {
  const mesh = await twoNodes({}, { delayMinMs: 1, delayMaxMs: 50, duplicateChance: 0.3 })
  const body = Buffer.alloc(3 * 1024 * 1024 + 17, 'abcdefghijklmnopqrstuvwxyz\r\n')
  await mesh.accept('bj', 's@example.org', ['bbb@test.com'], Buffer.concat([Buffer.from(letter), body]))
  await mesh.clock.advance(60_000)
  const [message] = await mesh.inbox('bbb@test.com')
  assert.ok(message?.text.endsWith(body.toString('latin1')))
  assert.equal(mesh.node('hk').delivery.stats().uploads, 0)
})
