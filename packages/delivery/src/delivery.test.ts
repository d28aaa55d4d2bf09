import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isErrorCode, SkeinError } from '@skein/runtime'
import { MeshFixture } from './mesh-fixture.ts'

const letter = 'Message-ID: <m1@example.org>\r\nSubject: \u4f60\u597d\r\n\r\nhello\r\n'

async function twoNodes(...settings: ConstructorParameters<typeof MeshFixture>): Promise<MeshFixture> {
  const mesh = new MeshFixture(...settings)
  await mesh.start('bj')
  await mesh.start('hk')
  await mesh.account('aaa@test.com', 'bj')
  await mesh.account('bbb@test.com', 'hk')
  return mesh
}

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

test('mail for a node that is down waits, and goes the moment it is back', async () => {
  const mesh = await twoNodes()
  mesh.crash('hk')
  await mesh.clock.advance(500)
  for (let i = 0; i < 40; i++) await mesh.accept('bj', 's@example.org', ['bbb@test.com'], letter)
  await mesh.clock.advance(3600_000)
  const stats = mesh.node('bj').delivery.stats()
  assert.deepEqual([stats.letters, stats.recipients], [40, 40])
  const [line] = stats.destinations
  assert.ok(line && line.failures > 5, 'the destination backs off')
  const attempts = mesh
    .node('bj')
    .delivery.control.list()
    .map((item) => item.recipients[0]?.attempts)
  assert.ok(attempts.every((it) => it === 0))
  const nextMs = mesh.node('bj').delivery.control.list()[0]?.recipients[0]?.nextAttemptMs ?? 0
  assert.ok(nextMs >= mesh.clock.nowMs() && nextMs <= mesh.clock.nowMs() + 72_000)
  await mesh.start('hk')
  await mesh.clock.advance(1500)
  assert.equal((await mesh.inbox('bbb@test.com')).length, 40)
  assert.equal(mesh.node('bj').delivery.stats().letters, 0)
})

test('an account that has moved gets its mail at its new home, mail that waits for the old one too', async () => {
  const mesh = await twoNodes()
  await mesh.start('tw')
  mesh.crash('hk')
  await mesh.clock.advance(500)
  await mesh.accept('bj', 's@example.org', ['bbb@test.com'], letter)
  await mesh.clock.advance(60_000)
  const entry = mesh.map.account('bbb@test.com', 'tw')
  await mesh.clock.runUntil(mesh.node('tw').mailboxes.createAccount(entry.accountId, { quotaBytes: 1e9, epoch: 2 }))
  mesh.map.changed()
  await mesh.clock.advance(2000)
  assert.equal((await mesh.inbox('bbb@test.com')).length, 1)
})

test('a node that is not the home says so, and the letter waits for the maps to agree', async () => {
  const mesh = await twoNodes()
  const entry = mesh.map.entries.get('bbb@test.com')
  assert.ok(entry)
  const lagging = mesh.map.view('hk')
  const { byAccountId } = lagging
  let agrees = false
  lagging.byAccountId = (id) => {
    const found = byAccountId(id)
    return !agrees && found ? { ...found, home: 'tw' } : found
  }
  mesh.map.view = () => lagging
  mesh.crash('hk')
  await mesh.start('hk')
  await mesh.accept('bj', 's@example.org', ['bbb@test.com'], letter)
  await mesh.clock.advance(3000)
  assert.equal((await mesh.inbox('bbb@test.com')).length, 0)
  const [item] = mesh.node('bj').delivery.control.list()
  assert.match(item?.recipients[0]?.lastResult?.text ?? '', /at tw/)
  agrees = true
  await mesh.clock.advance(70_000)
  assert.equal((await mesh.inbox('bbb@test.com')).length, 1)
})

test('a name that changes hands while a letter is under way: whom it meant gets it, nobody else', async () => {
  const mesh = await twoNodes()
  await mesh.start('tw')
  await mesh.accept('bj', 's@example.org', ['bbb@test.com'], letter)
  await mesh.clock.advance(1)
  mesh.crash('bj')
  const before = mesh.map.entries.get('bbb@test.com')
  assert.ok(before)
  mesh.map.entries.delete('bbb@test.com')
  const after = mesh.map.account('bbb@test.com', 'tw')
  mesh.map.entries.set('bbb~000000@test.com', { ...before, address: 'bbb~000000@test.com', state: 'renamed' })
  assert.notEqual(after.accountId, before.accountId)
  await mesh.clock.runUntil(mesh.node('tw').mailboxes.createAccount(after.accountId, { quotaBytes: 1e9, epoch: 1 }))
  mesh.map.changed()
  await mesh.start('bj')
  await mesh.clock.advance(120_000)
  assert.equal((await mesh.inbox('bbb~000000@test.com')).length, 1)
  assert.equal((await mesh.inbox('bbb@test.com')).length, 0)
  await mesh.accept('bj', 's@example.org', ['bbb@test.com'], letter)
  await mesh.clock.advance(5_000)
  assert.equal((await mesh.inbox('bbb@test.com')).length, 1)
})

test('requests that the network doubles or loses put a letter in once', async () => {
  const mesh = await twoNodes({}, { dropChance: 0.3, duplicateChance: 0.5 })
  for (let i = 0; i < 30; i++) await mesh.accept('bj', 's@example.org', ['bbb@test.com'], letter)
  await mesh.clock.advance(30 * 60_000)
  assert.equal((await mesh.inbox('bbb@test.com')).length, 30)
  assert.equal(mesh.node('bj').delivery.stats().letters, 0)
})

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

test('a crash at any moment: acknowledged letters are in exactly one mailbox, once', async () => {
  let acknowledgedInAll = 0
  for (let seed = 0; seed < 25; seed++) {
    const mesh = await twoNodes({}, { dropChance: 0.05, duplicateChance: 0.1 })
    const acknowledged: string[] = []
    const submit = async (n: number) => {
      const to = ['aaa@test.com', 'bbb@test.com'].slice(n % 3 === 0 ? 0 : 1)
      const text = `Message-ID: <${n}@x>\r\nSubject: ${n}\r\n\r\nbody of ${n}\r\n`
      mesh.send('bj', 's@example.org', to, text).then(
        () => acknowledged.push(...to.map((address) => `${n} ${address}`)),
        () => {},
      )
    }
    for (let n = 0; n < 12; n++) {
      await submit(n)
      await mesh.clock.advance(((seed * 7 + n * 13) % 11) / 5)
      if (n % 4 !== 3) continue
      const victim = (seed + n) % 8 < 4 ? 'bj' : 'hk'
      mesh.crash(victim)
      await mesh.clock.advance((seed % 5) * 10)
      await mesh.start(victim)
    }
    await mesh.clock.advance(10 * 60_000)
    const found = new Map<string, number>()
    for (const address of ['aaa@test.com', 'bbb@test.com']) {
      for (const { text } of await mesh.inbox(address)) {
        const key = `${/Subject: (\d+)/.exec(text)?.[1]} ${address}`
        found.set(key, (found.get(key) ?? 0) + 1)
      }
    }
    acknowledgedInAll += acknowledged.length
    for (const key of acknowledged) assert.equal(found.get(key), 1, `seed ${seed}: ${key}`)
    for (const [key, count] of found) assert.equal(count, 1, `seed ${seed}: ${key}`)
    assert.equal(mesh.node('bj').delivery.stats().letters, 0)
  }
  assert.ok(acknowledgedInAll > 200, `only ${acknowledgedInAll} deliveries were acknowledged`)
})

test('a crash between failure and notice: the sender is told once', async () => {
  for (let cutMs = 0; cutMs < 6; cutMs += 0.25) {
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
    const plain = 'From: aaa@test.com\r\n\r\nx\r\n'
    await mesh.accept('bj', 'aaa@test.com', ['x@example.org', 'y@example.org'], plain, mesh.submitter('aaa@test.com'))
    await mesh.clock.advance(cutMs)
    mesh.crash('bj')
    await mesh.start('bj')
    await mesh.clock.advance(60_000)
    const notices = await mesh.inbox('aaa@test.com')
    assert.equal(notices.length, 1, `cut after ${cutMs} ms`)
    assert.match(notices[0]?.text ?? '', /x@example\.org[^]*y@example\.org/)
  }
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

test('an upload that breaks off leaves nothing, and the next attempt brings the letter', async () => {
  const mesh = await twoNodes({}, { delayMinMs: 5, delayMaxMs: 5 })
  const big = Buffer.concat([Buffer.from(letter), Buffer.alloc(2_000_000, 'x\r\n')])
  await mesh.accept('bj', 's@example.org', ['bbb@test.com'], big)
  for (let i = 0; i < 100 && mesh.node('hk').delivery.stats().uploads === 0; i++) await mesh.clock.advance(1)
  assert.equal(mesh.node('hk').delivery.stats().uploads, 1)
  mesh.network.partition([['bj'], ['hk']])
  await mesh.clock.advance(61_000)
  assert.equal(mesh.node('hk').delivery.stats().uploads, 0)
  assert.equal((await mesh.inbox('bbb@test.com')).length, 0)
  mesh.network.heal()
  await mesh.clock.advance(10_000)
  assert.equal((await mesh.inbox('bbb@test.com')).length, 1)
})

test('more uploads than a node takes from one peer wait their turn', async () => {
  const mesh = await twoNodes({ peerUploadsPerPeerMax: 2 }, { delayMinMs: 5, delayMaxMs: 5 })
  const big = Buffer.concat([Buffer.from(letter), Buffer.alloc(600_000, 'x\r\n')])
  for (let i = 0; i < 6; i++) await mesh.accept('bj', 's@example.org', ['bbb@test.com'], big)
  let most = 0
  for (let i = 0; i < 600; i++) {
    await mesh.clock.advance(100)
    most = Math.max(most, mesh.node('hk').delivery.stats().uploads)
  }
  assert.ok(most > 0 && most <= 2, `${most} uploads at once`)
  await mesh.clock.advance(600_000)
  assert.equal((await mesh.inbox('bbb@test.com')).length, 6)
})

test('letters that wait for a dead node all follow when its users get a new home, a part of them at a time', async () => {
  const mesh = await twoNodes({ rerouteLettersMax: 3 })
  await mesh.start('tw')
  mesh.crash('hk')
  await mesh.clock.advance(500)
  for (let i = 0; i < 11; i++) await mesh.accept('bj', 's@example.org', ['bbb@test.com'], letter)
  await mesh.clock.advance(20_000)
  const entry = mesh.map.account('bbb@test.com', 'tw')
  await mesh.clock.runUntil(mesh.node('tw').mailboxes.createAccount(entry.accountId, { quotaBytes: 1e9, epoch: 2 }))
  mesh.map.changed()
  await mesh.clock.advance(3_000)
  assert.equal((await mesh.inbox('bbb@test.com')).length, 11)
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
