import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isErrorCode, SkeinError } from '@skein/runtime'
import { letter, twoNodes } from './mesh-fixture.ts'

test('a full mailbox: the letter waits, the next sender hears it at RCPT, and room lets it in', async () => {
  const mesh = await twoNodes()
  await mesh.account('small@test.com', 'bj', 100)
  const small = mesh.map.entries.get('small@test.com')
  const { intake, stats } = mesh.node('bj').delivery
  await mesh.accept('bj', 's@example.org', ['small@test.com'], letter)
  assert.equal(stats().letters, 1)
  const source = mesh.submitter('aaa@test.com')
  const verdict = intake.checkRecipient(source, 'small@test.com')
  assert.equal(verdict.kind === 'refused' && verdict.code, 452)
  const grow = async () => {
    await using account = await mesh.node('bj').mailboxes.open(small?.accountId ?? '')
    await account.setQuota(1e9)
  }
  await mesh.clock.runUntil(grow())
  await mesh.clock.advance(3600_000)
  assert.equal((await mesh.inbox('small@test.com')).length, 1)
  assert.equal(stats().letters, 0)
  assert.equal(intake.checkRecipient(source, 'small@test.com').kind, 'accepted')
})

test('several recipients here, one of them full: the others have it at once, and once', async () => {
  const mesh = await twoNodes()
  await mesh.account('small@test.com', 'bj', 100)
  await mesh.accept('bj', 's@example.org', ['aaa@test.com', 'small@test.com'], letter)
  assert.equal((await mesh.inbox('aaa@test.com')).length, 1)
  await mesh.clock.advance(3600_000)
  assert.equal((await mesh.inbox('aaa@test.com')).length, 1)
  assert.equal(mesh.node('bj').delivery.stats().recipients, 1)
})

test('submissions get what they lack; senders in others\u2019 names, circles and oversize are refused and leave nothing', async () => {
  const mesh = await twoNodes({ messageBytesMax: 100_000, headerBytesMax: 10_000 })
  const source = mesh.submitter('aaa@test.com')
  await mesh.accept('bj', 'aaa@test.com', ['aaa@test.com'], 'From: aaa@test.com\r\nBcc: x@test.com\r\n\r\nhi', source)
  const [own] = await mesh.inbox('aaa@test.com')
  assert.match(
    own?.text ?? '',
    /\r\nMessage-ID: <[0-9A-Z]{26}@bj\.test\.com>\r\nDate: [^\r]+\r\nFrom: aaa@test\.com\r\n\r\nhi$/,
  )

  const refused = async (code: string, text: string | Buffer, from = source) => {
    const sent = mesh.accept('bj', 'aaa@test.com', ['aaa@test.com'], text, from)
    await assert.rejects(sent, (error) => isErrorCode(error, code))
  }
  await refused('sender-not-allowed', 'From: bbb@test.com\r\n\r\n')
  for (const field of ['Sender', 'Resent-From', 'Resent-Sender']) {
    await refused('sender-not-allowed', `From: aaa@test.com\r\n${field}: bbb@test.com\r\n\r\n`)
  }
  await refused('mail-loop', `${'Received: x\r\n'.repeat(51)}\r\n`)
  await refused('message-too-large', Buffer.alloc(100_001, 'a\r\n\r\n'))
  await refused('header-too-large', Buffer.alloc(10_001, 'a'))
  assert.equal((await mesh.inbox('aaa@test.com')).length, 1)
  assert.equal(mesh.node('bj').delivery.stats().letters, 0)
})

test('a disk that takes nothing refuses letters for now; one that fails later is tried again', async () => {
  const mesh = await twoNodes()
  const { log } = mesh.node('bj')
  log.failAppends(new SkeinError('disk-full', 'temporary', 'the disk is full'))
  await assert.rejects(mesh.accept('bj', 's@example.org', ['aaa@test.com'], letter), (error) =>
    isErrorCode(error, 'disk-full'),
  )
  mesh.node('hk').log.failAppends(new SkeinError('disk-full', 'temporary', 'the disk is full'))
  log.failAppends(undefined)
  await mesh.accept('bj', 's@example.org', ['bbb@test.com'], letter)
  await mesh.clock.advance(10_000)
  const [item] = mesh.node('bj').delivery.control.list()
  assert.equal(item?.recipients[0]?.lastResult?.status, '4.3.1')
  mesh.node('hk').log.failAppends(undefined)
  await mesh.clock.advance(3600_000)
  assert.equal((await mesh.inbox('bbb@test.com')).length, 1)
})

test('an operator holds, releases, hurries and cancels; the sender hears of a cancelled letter', async () => {
  const mesh = await twoNodes()
  mesh.crash('hk')
  await mesh.clock.advance(500)
  const { control } = mesh.node('bj').delivery
  const source = mesh.submitter('aaa@test.com')
  const plain = 'From: aaa@test.com\r\nSubject: one\r\n\r\nx\r\n'
  const { queueId } = await mesh.accept('bj', 'aaa@test.com', ['bbb@test.com'], plain, source)
  await control.hold(queueId)
  await mesh.start('hk')
  await mesh.clock.advance(60_000)
  assert.equal((await mesh.inbox('bbb@test.com')).length, 0)
  await control.release(queueId)
  await mesh.clock.advance(1000)
  assert.equal((await mesh.inbox('bbb@test.com')).length, 1)

  mesh.crash('hk')
  await mesh.clock.advance(500)
  const told = await mesh.accept('bj', 'aaa@test.com', ['bbb@test.com'], plain, source)
  const silent = await mesh.accept('bj', 'aaa@test.com', ['bbb@test.com'], plain, source)
  await mesh.clock.advance(500)
  await control.cancel(told.queueId)
  await control.cancel(silent.queueId, { silent: true })
  await mesh.clock.advance(120_000)
  assert.equal(mesh.node('bj').delivery.stats().letters, 0)
  const notices = await mesh.inbox('aaa@test.com')
  assert.equal(notices.length, 1)
  assert.match(notices[0]?.text ?? '', /5\.7\.1/)
  await assert.rejects(control.retry(queueId), (error) => isErrorCode(error, 'no-such-letter'))
})

test('an alias for a dead and a living address: the living gets it, the sender no notice', async () => {
  const mesh = await twoNodes()
  mesh.map.aliases.set('team@test.com', ['nobody@test.com', 'aaa@test.com'])
  await mesh.accept('bj', 'forged@example.org', ['team@test.com'], letter)
  await mesh.clock.advance(60_000)
  assert.equal((await mesh.inbox('aaa@test.com')).length, 1)
  assert.equal(mesh.node('bj').sent.length, 0)
})

test('stopping takes nothing new, waits for what runs, and the next start goes on', async () => {
  const mesh = await twoNodes()
  mesh.crash('hk')
  await mesh.clock.advance(500)
  await mesh.accept('bj', 's@example.org', ['bbb@test.com'], letter)
  await mesh.clock.advance(100)
  const { delivery } = mesh.node('bj')
  await mesh.clock.runUntil(delivery.stop())
  await assert.rejects(mesh.accept('bj', 's@example.org', ['aaa@test.com'], letter), (error) =>
    isErrorCode(error, 'shutting-down'),
  )
  await mesh.start('bj')
  await mesh.start('hk')
  await mesh.clock.advance(2000)
  assert.equal((await mesh.inbox('bbb@test.com')).length, 1)
})

test('a letter of our own goes to mailboxes wherever they are', async () => {
  const mesh = await twoNodes()
  const posted = mesh.node('bj').delivery.post({
    from: '',
    to: ['aaa@test.com', 'bbb@test.com'],
    bytes: Buffer.from('Subject: renamed\r\n\r\nYour address has changed.\r\n'),
    messageId: 'own@bj',
  })
  await mesh.clock.runUntil(posted)
  await mesh.clock.advance(1000)
  assert.equal((await mesh.inbox('aaa@test.com')).length, 1)
  assert.match((await mesh.inbox('bbb@test.com'))[0]?.text ?? '', /Subject: renamed/)
})

test('an operator\u2019s retry goes first, and through a back-off', async () => {
  const mesh = await twoNodes()
  let down = true
  mesh.outside = async ({ recipients }) =>
    recipients.map(() => ({
      atMs: mesh.clock.nowMs(),
      kind: down ? ('temporary' as const) : ('delivered' as const),
      code: down ? 450 : 250,
      status: down ? '4.4.1' : '2.0.0',
      text: '',
      courier: 'outside' as const,
      hop: 'mx',
    }))
  const plain = 'From: aaa@test.com\r\n\r\nx\r\n'
  const ids: string[] = []
  for (let i = 0; i < 5; i++) {
    const to = [`u${i}@example.org`]
    ids.push((await mesh.accept('bj', 'aaa@test.com', to, plain, mesh.submitter('aaa@test.com'))).queueId)
  }
  await mesh.clock.advance(1000)
  const asked = mesh.node('bj').sent.length
  down = false
  await mesh.node('bj').delivery.control.retry(ids[3] as string)
  await mesh.clock.advance(10)
  assert.equal(mesh.node('bj').sent[asked]?.consignment.item.id, ids[3])
  assert.equal(mesh.node('bj').delivery.stats().letters, 0)
})

test('stopping calls off what does not end in time, and loses nothing by it', async () => {
  const mesh = await twoNodes({ stopGraceMs: 1000 })
  let hang = true
  mesh.outside = ({ recipients }) => {
    const answer = recipients.map(() => ({
      atMs: mesh.clock.nowMs(),
      kind: hang ? ('temporary' as const) : ('delivered' as const),
      code: hang ? 451 : 250,
      status: hang ? '4.3.0' : '2.0.0',
      text: '',
      courier: 'outside' as const,
      hop: 'mx',
    }))
    return hang ? new Promise((resolve) => mesh.called.push(() => resolve(answer))) : Promise.resolve(answer)
  }
  const plain = 'From: aaa@test.com\r\n\r\nx\r\n'
  await mesh.accept('bj', 'aaa@test.com', ['u@example.org'], plain, mesh.submitter('aaa@test.com'))
  await mesh.clock.advance(100)
  const startMs = mesh.clock.nowMs()
  await mesh.clock.runUntil(mesh.node('bj').delivery.stop())
  assert.ok(mesh.clock.nowMs() - startMs <= 1100)
  hang = false
  await mesh.start('bj')
  await mesh.clock.advance(3600_000)
  assert.equal(mesh.node('bj').delivery.stats().letters, 0)
  assert.equal(mesh.node('bj').sent.length, 1)
})
