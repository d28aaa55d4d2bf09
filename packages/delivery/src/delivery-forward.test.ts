// Letters that are sent on: whom they reach, under which sender they leave, how a bounce comes back, and how circles end.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Forward } from '@skein/accounts'
import { isErrorCode } from '@skein/runtime'
import { letter, type MeshFixture, strangerSource, twoNodes } from './mesh-fixture.ts'
import type { DeliveryResult } from './ports.ts'

const secret = Buffer.alloc(32, 7)
const srs = { srsSecrets: () => ({ newest: secret, known: [secret] }) }

function forward(mesh: MeshFixture, address: string, to: string[], keep = false): void {
  const entry = mesh.map.entries.get(address)
  assert.ok(entry)
  const forwarded: Forward = { to, keep }
  mesh.map.entries.set(address, { ...entry, forward: forwarded })
}

const says = (mesh: MeshFixture, kind: DeliveryResult['kind'], code: number, status: string): DeliveryResult => ({
  atMs: mesh.clock.nowMs(),
  kind,
  code,
  status,
  text: kind === 'delivered' ? 'ok' : code === 554 ? 'blocked using a list of addresses' : 'no such user',
  courier: 'outside',
  hop: 'mx.other.example',
})

/** What has left the mesh, as a host outside gets it. */
async function sentLetters(mesh: MeshFixture) {
  const all = []
  for (const node of mesh.nodes.values()) {
    for (const { consignment } of node.sent) {
      const { item, recipients } = consignment
      const bytes = await mesh.clock.runUntil(node.log.read(item.blob, item.returnPathBytes ?? 0))
      const text = (item.outsideFields ?? '') + Buffer.from(bytes).toString('latin1')
      all.push({ node: node.id, from: item.from, to: recipients.map(({ address }) => address), text })
    }
  }
  return all
}

test('a user’s mail goes on to another of ours and outside; without keep, not into his own mailbox', async () => {
  const mesh = await twoNodes(srs)
  forward(mesh, 'aaa@test.com', ['bbb@test.com', 'boss@other.example'])
  await mesh.accept('bj', 'Bob@example.org', ['aaa+x@test.com'], letter)
  await mesh.clock.advance(1000)
  assert.equal((await mesh.inbox('aaa@test.com')).length, 0)
  const [kept] = await mesh.inbox('bbb@test.com')
  assert.match(kept?.text ?? '', /^Return-Path: <Bob@example\.org>\r\n/)
  const [sent, ...more] = await sentLetters(mesh)
  assert.ok(sent)
  assert.deepEqual(more, [])
  assert.deepEqual(sent.to, ['boss@other.example'])
  assert.match(sent.from, /^SRS0=[a-z2-7]{8}=..=example\.org=Bob@test\.com$/)
  assert.match(sent.text, /^Delivered-To: aaa@test\.com\r\nReceived: /)

  forward(mesh, 'aaa@test.com', ['boss@other.example'], true)
  await mesh.accept('hk', 'bob@example.org', ['aaa@test.com'], letter)
  await mesh.clock.advance(1000)
  assert.equal((await mesh.inbox('aaa@test.com')).length, 1)
  assert.equal((await sentLetters(mesh)).length, 2)
})

test('the sender stays where it is ours or nobody; without a secret, and where it finds no room, the forwarder is it', async () => {
  for (const [from, settings, expected] of [
    ['bbb@test.com', srs, 'bbb@test.com'],
    ['', srs, ''],
    [`${'x'.repeat(50)}@example.org`, srs, 'fwd@test.com'],
    ['bob@example.org', {}, 'fwd@test.com'],
  ] as const) {
    const mesh = await twoNodes(settings)
    mesh.map.aliases.set('fwd@test.com', ['x@other.example'])
    await mesh.accept('bj', from, ['fwd@test.com'], letter)
    await mesh.clock.advance(1000)
    assert.deepEqual(
      (await sentLetters(mesh)).map((it) => it.from),
      [expected],
    )
  }
})

test('two forwarders to one domain: two letters, each names its own only; others get none of it', async () => {
  const mesh = await twoNodes(srs)
  mesh.map.aliases.set('one@test.com', ['x@other.example'])
  mesh.map.aliases.set('two@mailer.com.cn', ['y@other.example'])
  const source = mesh.submitter('aaa@test.com')
  await mesh.accept('bj', 'aaa@test.com', ['one@test.com', 'two@mailer.com.cn', 'z@other.example'], letter, source)
  await mesh.clock.advance(1000)
  const fields = (await sentLetters(mesh)).map((it) => [it.to[0], /^Delivered-To: (.*)\r\n/.exec(it.text)?.[1]])
  assert.deepEqual(Object.fromEntries(fields), {
    'x@other.example': 'one@test.com',
    'y@other.example': 'two@mailer.com.cn',
    'z@other.example': undefined,
  })
})

test('a letter that is sent on and leaves through a peer says all the same through which address it left', async () => {
  const mesh = await twoNodes(srs)
  mesh.map.aliases.set('fwd@test.com', ['x@other.example'])
  mesh.outside = async ({ recipients }, _destination, node) =>
    recipients.map(() => says(mesh, node === 'bj' ? 'permanent' : 'delivered', node === 'bj' ? 554 : 250, '5.7.1'))
  const source = mesh.submitter('aaa@test.com')
  await mesh.accept('bj', 'aaa@test.com', ['fwd@test.com'], 'From: aaa@test.com\r\n\r\nx\r\n', source)
  await mesh.clock.advance(60_000)
  const sent = await sentLetters(mesh)
  assert.deepEqual(
    sent.map(({ node, text }) => [node, /^Delivered-To: (.*)\r\n/.exec(text)?.[1]]),
    [
      ['bj', 'fwd@test.com'],
      ['hk', 'fwd@test.com'],
    ],
  )
})

test('a bounce comes back through another node, to the sender as he wrote himself; forged and old ones are refused', async () => {
  const mesh = await twoNodes(srs)
  mesh.map.aliases.set('fwd@test.com', ['x@other.example'])
  await mesh.accept('bj', 'Bob@example.org', ['fwd@test.com'], letter)
  await mesh.clock.advance(1000)
  const [sent] = await sentLetters(mesh)
  assert.ok(sent)
  const { intake } = mesh.node('hk').delivery
  const verdict = (to: string, from = '') => {
    const said = intake.checkRecipient(strangerSource, to, from)
    return said.kind === 'accepted' ? 'accepted' : `${said.code} ${said.status}`
  }
  assert.equal(verdict(sent.from), 'accepted')
  assert.equal(verdict(sent.from.toLowerCase()), 'accepted')
  assert.equal(verdict(sent.from, 'spammer@example.net'), '550 5.7.1')
  assert.equal(verdict(sent.from.replace('Bob', 'eve')), '550 5.7.1')
  assert.equal(verdict('srs0=x@test.com'), '550 5.7.1')
  await mesh.accept('hk', '', [sent.from], 'Subject: undelivered\r\n\r\nx\r\n')
  await mesh.clock.advance(1000)
  const back = (await sentLetters(mesh)).at(-1)
  assert.deepEqual([back?.node, back?.from, back?.to], ['hk', '', ['Bob@example.org']])
  assert.doesNotMatch(back?.text ?? '', /Delivered-To/)
  await mesh.clock.advance(23 * 24 * 3600_000)
  assert.equal(verdict(sent.from), '550 5.1.1')
})

test('a bounce that does not get through is the end of it', async () => {
  const mesh = await twoNodes(srs)
  mesh.map.aliases.set('fwd@test.com', ['x@other.example'])
  mesh.outside = async ({ recipients }) => recipients.map(() => says(mesh, 'permanent', 550, '5.1.1'))
  await mesh.accept('bj', 'forged@example.org', ['fwd@test.com'], letter)
  await mesh.clock.advance(3600_000)
  // The letter, and one notice to whom it says that it is from.
  const sent = await sentLetters(mesh)
  assert.deepEqual(
    sent.map((it) => [it.from === '', it.to[0]]),
    [
      [false, 'x@other.example'],
      [true, 'forged@example.org'],
    ],
  )
  assert.equal(mesh.node('bj').delivery.stats().letters, 0)
})

test('users who send their mail on to each other: it ends in the mailbox of whoever it is for', async () => {
  const mesh = await twoNodes(srs)
  forward(mesh, 'aaa@test.com', ['bbb@test.com'])
  forward(mesh, 'bbb@test.com', ['aaa@test.com'])
  await mesh.accept('bj', 'bob@example.org', ['aaa@test.com'], letter)
  await mesh.clock.advance(1000)
  assert.equal((await mesh.inbox('aaa@test.com')).length, 1)
  assert.equal((await mesh.inbox('bbb@test.com')).length, 0)
})

test('where nobody takes it the letter stays in the mailbox of whoever sends his mail on', async () => {
  const mesh = await twoNodes(srs)
  forward(mesh, 'aaa@test.com', ['nobody@test.com'])
  await mesh.accept('bj', 'bob@example.org', ['aaa@test.com'], letter)
  await mesh.clock.advance(1000)
  assert.equal((await mesh.inbox('aaa@test.com')).length, 1)
})

/** Another mail system whose address `away` sends all on to `back`, with its own trace field on top, as often as it is asked. */
function reflectingWorld(mesh: MeshFixture, back: string): { rounds: number; refusals: string[] } {
  const seen = { rounds: 0, refusals: [] as string[] }
  mesh.outside = async ({ item, recipients }) => {
    const node = [...mesh.nodes.values()].find(({ sent }) => sent.at(-1)?.consignment.item === item)
    assert.ok(node)
    if (recipients[0]?.address !== 'away@other.example')
      return recipients.map(() => says(mesh, 'delivered', 250, '2.0.0'))
    seen.rounds++
    const bytes = await node.log.read(item.blob, item.returnPathBytes ?? 0)
    const trace = `Received: from here by other.example; Mon, 30 Nov 2026 09:00:00 +0000\r\n${item.outsideFields ?? ''}`
    try {
      await mesh.send('hk', item.from, [back], Buffer.concat([Buffer.from(trace), bytes]))
    } catch (error) {
      seen.refusals.push(isErrorCode(error, 'mail-loop') ? 'mail-loop' : String(error))
      return recipients.map(() => says(mesh, 'permanent', 554, '5.4.6'))
    }
    return recipients.map(() => says(mesh, 'delivered', 250, '2.0.0'))
  }
  return seen
}

test('two systems that send on to each other: a user’s letter comes back once and stays', async () => {
  for (const keep of [false, true]) {
    const mesh = await twoNodes(srs)
    forward(mesh, 'aaa@test.com', ['away@other.example'], keep)
    const seen = reflectingWorld(mesh, 'aaa@test.com')
    await mesh.accept('bj', 'bob@example.org', ['aaa@test.com'], letter)
    await mesh.clock.advance(3600_000)
    assert.equal(seen.rounds, 1)
    assert.deepEqual(seen.refusals, [])
    assert.equal((await mesh.inbox('aaa@test.com')).length, keep ? 2 : 1)
    assert.equal((await sentLetters(mesh)).length, 1)
  }
})

test('two systems that send on to each other through an alias: refused at its return, one notice to the sender', async () => {
  const mesh = await twoNodes(srs)
  mesh.map.aliases.set('fwd@test.com', ['away@other.example'])
  const seen = reflectingWorld(mesh, 'fwd@test.com')
  await mesh.accept('bj', 'bob@example.org', ['fwd@test.com'], letter)
  await mesh.clock.advance(6 * 24 * 3600_000)
  assert.equal(seen.rounds, 1)
  assert.deepEqual(seen.refusals, ['mail-loop'])
  const sent = await sentLetters(mesh)
  assert.deepEqual(
    sent.map((it) => it.to[0]),
    ['away@other.example', 'bob@example.org'],
  )
  assert.equal(sent[1]?.from, '')
  assert.match(sent[1]?.text ?? '', /Auto-Submitted: auto-replied/i)
})

test('a letter that comes back for one and is new for another: the one hears, the other gets it', async () => {
  const mesh = await twoNodes(srs)
  mesh.map.aliases.set('fwd@test.com', ['away@other.example'])
  const returned = `Delivered-To: FWD@test.com\r\n${letter}`
  await mesh.accept('bj', 'bob@example.org', ['fwd@test.com', 'aaa@test.com'], returned)
  await mesh.clock.advance(1000)
  assert.equal((await mesh.inbox('aaa@test.com')).length, 1)
  const sent = await sentLetters(mesh)
  assert.deepEqual(
    sent.map((it) => [it.from, it.to[0]]),
    [['', 'bob@example.org']],
  )
  assert.match(sent[0]?.text ?? '', /Status: 5\.4\.6/)
  await assert.rejects(mesh.accept('bj', 'bob@example.org', ['fwd@test.com'], returned), (error) =>
    isErrorCode(error, 'mail-loop'),
  )
})

test('somebody who answers every letter by himself, notices too: the exchange dies at once', async () => {
  const mesh = await twoNodes(srs)
  mesh.map.aliases.set('fwd@test.com', ['gone@other.example'])
  const answered: string[] = []
  mesh.outside = async ({ item, recipients }) => {
    if (recipients[0]?.address !== 'bob@example.org') return recipients.map(() => says(mesh, 'permanent', 550, '5.1.1'))
    const bytes = await mesh.node('bj').log.read(item.blob, item.returnPathBytes ?? 0)
    const author = /^From:.*?([^\s<>]+@[^\s<>]+)/im.exec(Buffer.from(bytes).toString())?.[1] ?? ''
    // A notice has no sender to answer to (RFC 3834 §2); who answers its author all the same finds nobody there.
    for (const to of item.from === '' ? [author] : [item.from]) {
      const verdict = mesh.node('bj').delivery.intake.checkRecipient(strangerSource, to, 'bob@example.org')
      answered.push(`${to} ${verdict.kind}`)
    }
    return recipients.map(() => says(mesh, 'delivered', 250, '2.0.0'))
  }
  await mesh.accept('bj', 'bob@example.org', ['fwd@test.com'], letter)
  await mesh.clock.advance(24 * 3600_000)
  assert.deepEqual(answered, ['MAILER-DAEMON@bj.test.com refused'])
  assert.equal(mesh.node('bj').delivery.stats().letters, 0)
})
