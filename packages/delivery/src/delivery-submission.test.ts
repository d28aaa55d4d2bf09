// What a submission gets beside delivery (RFC 6409): a Sender where From does not say who sends, an end to how much one user
// sends, and one copy under Sent for who asks for it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isErrorCode } from '@skein/runtime'
import { VirtualClock } from '@skein/testkit'
import { keptAtHome } from './addressees.ts'
import { DirectoryFixture } from './directory-fixture.ts'
import { readSubmittedHeader } from './letter-header.ts'
import { letter, type MeshFixture, strangerSource, twoNodes } from './mesh-fixture.ts'
import { deliveryLimits } from './limits.ts'
import { checkSender, senderToTell } from './sender-check.ts'
import { SendingAllowance } from './sending-allowance.ts'

const hourMs = 3600_000

test('a Sender field where From names several or somebody of another mail system; never a second one, never for his own addresses', () => {
  const map = new DirectoryFixture()
  map.account('aaa@test.com', 'n1')
  map.aliases.set('sales@test.com', ['aaa@test.com'])
  const directory = map.view('n1')
  const sender = (from: readonly string[]) => senderToTell(directory, { address: 'aaa@test.com' }, from)
  for (const [header, expected] of [
    ['From: aaa@test.com', null],
    ['From: A <AAA+x@test.com>', null],
    ['From: sales@test.com', null],
    ['From: me@elsewhere.example', 'aaa@test.com'],
    ['From: aaa@test.com, sales@test.com', 'aaa@test.com'],
    ['From: aaa@test.com\r\nFrom: me@elsewhere.example', 'aaa@test.com'],
    ['From: me@elsewhere.example\r\nSender: aaa@test.com', null],
    ['From: group:;', null],
    ['Subject: no author', null],
  ] as const) {
    const bytes = Buffer.from(`${header}\r\n\r\n`)
    const { added } = readSubmittedHeader(bytes, { messageId: 'm@x', nowMs: 0, sender }, () => false)
    assert.equal(/^Sender: (.*)\r$/m.exec(added)?.[1] ?? null, expected, header)
  }
})

test('MAIL: a name with a plus that somebody else has is his alone', () => {
  const map = new DirectoryFixture()
  const aaa = map.account('aaa@test.com', 'n1')
  map.account('aaa+b@test.com', 'n1')
  const source = { kind: 'submission' as const, account: { id: aaa.accountId, address: 'aaa@test.com' } }
  const may = (from: string) => checkSender(map.view('n1'), source, from).kind
  assert.deepEqual([may('aaa+a@test.com'), may('aaa+b@test.com')], ['accepted', 'refused'])
})

function verdicts(mesh: MeshFixture, user: string): string[] {
  const { intake } = mesh.node('bj').delivery
  const source = mesh.submitter(user)
  return [intake.checkSender(source, user), intake.checkRecipient(source, 'x@other.example', user)].map((it) =>
    it.kind === 'refused' ? `${it.code} ${it.status} ${it.text}` : it.kind,
  )
}

const submit = (mesh: MeshFixture, to: readonly string[], user = 'aaa@test.com') =>
  mesh.accept('bj', user, to, `From: ${user}\r\nMessage-ID: <${Math.random()}@x>\r\n\r\nx\r\n`, mesh.submitter(user))

test('one user sends no more letters an hour than the limit; the allowance comes back evenly, others have their own', async () => {
  const mesh = await twoNodes({ userLettersPerHourMax: 4 })
  await mesh.account('ccc@test.com', 'bj')
  for (let i = 0; i < 4; i++) await submit(mesh, ['ccc@test.com'])
  const spent = '450 4.7.1 4 letters an hour are the most that one user may send; try again in 15 min'
  assert.deepEqual(verdicts(mesh, 'aaa@test.com'), [spent, spent])
  await assert.rejects(submit(mesh, ['ccc@test.com']), (error) => isErrorCode(error, 'sending-too-much'))
  assert.deepEqual(verdicts(mesh, 'ccc@test.com'), ['accepted', 'accepted'])
  assert.equal((await mesh.inbox('ccc@test.com')).length, 4)
  // Mail from outside is nobody's allowance.
  for (let i = 0; i < 9; i++) await mesh.accept('bj', 'bob@example.org', ['ccc@test.com'], letter)
  assert.equal((await mesh.inbox('ccc@test.com')).length, 13)
  await mesh.clock.advance(hourMs / 4)
  await submit(mesh, ['ccc@test.com'])
  assert.equal(verdicts(mesh, 'aaa@test.com')[0], spent)
  await mesh.clock.advance(10 * hourMs)
  for (let i = 0; i < 4; i++) await submit(mesh, ['ccc@test.com'])
  assert.equal(verdicts(mesh, 'aaa@test.com')[0], spent)
})

test('what he has sent at other nodes counts, and they are told', () => {
  const told: string[] = []
  const elsewhere = new Map([['letters an hour', 3]])
  const allowance = new SendingAllowance(
    new VirtualClock(),
    { ...deliveryLimits, userLettersPerHourMax: 5 },
    {
      note: (what, account, amount) => void told.push(`${account} ${amount} ${what}`),
      amount: (what) => elsewhere.get(what) ?? 0,
    },
  )
  allowance.take('u1', 2)
  assert.deepEqual(told, ['u1 1 letters an hour', 'u1 2 recipients an hour', 'u1 2 recipients a day'])
  allowance.take('u1', 1)
  assert.throws(() => allowance.take('u1', 1), /5 letters an hour are the most/)
  assert.equal(told.length, 6)
  const refusal = allowance.refusal('u1')
  assert.ok(refusal?.kind === 'refused' && refusal.code === 450)
  elsewhere.clear()
  assert.equal(allowance.refusal('u1'), undefined)
  elsewhere.set('letters an hour', 5)
  assert.ok(allowance.refusal('never seen here'), 'who has sent nothing here may have sent all of it elsewhere')
})

test('recipients count each; a letter is taken for all of them or for none; in a day there is an end too; 0 is no end', async () => {
  const mesh = await twoNodes({ userRecipientsPerHourMax: 10, userRecipientsPerDayMax: 15 })
  const to = (count: number) => Array.from({ length: count }, (_, i) => `u${i}@other.example`)
  await submit(mesh, to(7))
  await assert.rejects(submit(mesh, to(4)), (error) => isErrorCode(error, 'sending-too-much'))
  await submit(mesh, to(3))
  await mesh.clock.advance(hourMs)
  await submit(mesh, to(5))
  await assert.rejects(submit(mesh, to(2)), /15 recipients a day are the most/)
  assert.equal(verdicts(mesh, 'aaa@test.com')[0]?.startsWith('450 4.7.1 15 recipients a day'), true)
  // More than ever fit at once: it goes while nothing else did, and is paid for afterwards.
  await mesh.clock.advance(48 * hourMs)
  await submit(mesh, to(30))
  await mesh.clock.advance(23 * hourMs)
  assert.match(verdicts(mesh, 'aaa@test.com')[0] ?? '', /^450/)
  const free = await twoNodes({ userLettersPerHourMax: 0, userRecipientsPerHourMax: 0, userRecipientsPerDayMax: 0 })
  for (let i = 0; i < 50; i++) await submit(free, to(50))
})

function savesSent(mesh: MeshFixture, address: string): void {
  const entry = mesh.map.entries.get(address)
  assert.ok(entry)
  mesh.map.entries.set(address, { ...entry, savesSent: true })
}

async function sentOf(mesh: MeshFixture, address: string) {
  const entry = mesh.map.entries.get(address)
  assert.ok(entry)
  return mesh.clock.runUntil(
    (async () => {
      await using account = await mesh.node(entry.home).mailboxes.open(entry.accountId)
      const sent = account.list().find(({ specialUse }) => specialUse === '\\Sent')
      return sent ? [...(await account.messages(sent.id))] : []
    })(),
  )
}

async function programFiles(mesh: MeshFixture, address: string, text: string): Promise<void> {
  const entry = mesh.map.entries.get(address)
  assert.ok(entry)
  const node = mesh.node(entry.home)
  await mesh.clock.runUntil(
    (async () => {
      const blob = await node.log.append([Buffer.from(text)])
      await using account = await node.mailboxes.open(entry.accountId)
      const sent = account.list().find(({ specialUse }) => specialUse === '\\Sent')
      assert.ok(sent)
      await account.append(sent.id, [{ blob, flags: ['\\Seen'], internalDateMs: mesh.clock.nowMs() }])
    })(),
  )
}

const mine =
  'From: bbb@test.com\r\nTo: aaa@test.com\r\nBcc: x@other.example\r\nMessage-ID: <mine@test.com>\r\n\r\nhello\r\n'

test('a sent letter is filed once, read, at the home, wherever it was submitted, also over a crash', async () => {
  const mesh = await twoNodes()
  savesSent(mesh, 'bbb@test.com')
  await mesh.accept('bj', 'bbb@test.com', ['aaa@test.com'], mine, mesh.submitter('bbb@test.com'))
  await mesh.clock.advance(1000)
  assert.equal((await mesh.inbox('aaa@test.com')).length, 1)
  assert.equal((await sentOf(mesh, 'bbb@test.com')).length, 0)
  mesh.crash('bj')
  await mesh.start('bj')
  await mesh.clock.advance(61_000)
  const [filed, ...more] = await sentOf(mesh, 'bbb@test.com')
  assert.deepEqual(filed?.flags, ['\\Seen'])
  assert.deepEqual(more, [])
  assert.equal((await mesh.inbox('bbb@test.com')).length, 0)
  assert.equal((await mesh.inbox('aaa@test.com')).length, 1)
  assert.equal(mesh.node('bj').delivery.stats().letters, 0)
})

test('where the mail program files its own copy there is one', async () => {
  const mesh = await twoNodes()
  savesSent(mesh, 'bbb@test.com')
  await mesh.accept('hk', 'bbb@test.com', ['aaa@test.com'], mine, mesh.submitter('bbb@test.com'))
  await mesh.clock.advance(20_000)
  await programFiles(mesh, 'bbb@test.com', mine)
  await mesh.clock.advance(hourMs)
  assert.equal((await sentOf(mesh, 'bbb@test.com')).length, 1)
  assert.equal(mesh.node('hk').delivery.stats().letters, 0)
  // Another letter is another copy.
  const other = mine.replace('mine@', 'other@')
  await mesh.accept('hk', 'bbb@test.com', ['aaa@test.com'], other, mesh.submitter('bbb@test.com'))
  await mesh.clock.advance(61_000)
  assert.equal((await sentOf(mesh, 'bbb@test.com')).length, 2)
})

test('no copy for who did not ask, for letters from outside, and no notice when it can’t be filed', async () => {
  const mesh = await twoNodes()
  await mesh.accept(
    'bj',
    'aaa@test.com',
    ['bbb@test.com'],
    'From: aaa@test.com\r\n\r\nx\r\n',
    mesh.submitter('aaa@test.com'),
  )
  savesSent(mesh, 'aaa@test.com')
  await mesh.accept('bj', 'aaa@test.com', ['bbb@test.com'], letter, strangerSource)
  await mesh.clock.advance(hourMs)
  assert.equal((await sentOf(mesh, 'aaa@test.com')).length, 0)
  mesh.crash('hk')
  savesSent(mesh, 'bbb@test.com')
  await mesh.accept('bj', 'bbb@test.com', ['aaa@test.com'], mine, mesh.submitter('bbb@test.com'))
  await mesh.clock.advance(6 * 24 * hourMs)
  assert.equal(mesh.node('bj').delivery.stats().letters, 0)
  assert.equal((await mesh.inbox('aaa@test.com')).length, 1)
  await mesh.start('hk')
  await mesh.clock.advance(hourMs)
  assert.equal((await mesh.inbox('bbb@test.com')).length, 2)
})

test('what is judged to be unwanted stays with whoever sends his mail on; an alias has nowhere to keep it', () => {
  const map = new DirectoryFixture()
  map.account('aaa@test.com', 'n1')
  map.aliases.set('fwd@test.com', ['x@other.example'])
  const named = [
    { address: 'one@other.example', original: 'aaa@test.com', forwardedFor: 'aaa@test.com' },
    { address: 'two@other.example', original: 'aaa@test.com', forwardedFor: 'aaa@test.com' },
    { address: 'x@other.example', original: 'fwd@test.com', forwardedFor: 'fwd@test.com' },
    { address: 'bbb@test.com', original: 'bbb@test.com' },
  ]
  assert.deepEqual(keptAtHome(named, map.view('n1')), [
    { address: 'aaa@test.com', original: 'aaa@test.com' },
    { address: 'x@other.example', original: 'fwd@test.com', forwardedFor: 'fwd@test.com' },
    { address: 'bbb@test.com', original: 'bbb@test.com' },
  ])
})
