import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SkeinError, isErrorCode, silentLogger } from '@skein/runtime'
import { VirtualClock, createMemoryMailboxStore, createMemoryMessageLog, createSeededRandom } from '@skein/testkit'
import { createMailboxes } from './mailboxes.ts'
import type { AccountMailboxes, JournalEntry, MessageRecord } from './ports.ts'
import { MODSEQ_EPOCH, mailboxLimits } from './ports.ts'

const accountId = 'a'.repeat(32)

async function setup(options: { quotaBytes?: number; sync?: () => Promise<void> } = {}) {
  const disk = options.sync ? { sync: options.sync } : {}
  const clock = new VirtualClock()
  const store = createMemoryMailboxStore(disk)
  const log = createMemoryMessageLog()
  const parts = { store, log, clock, random: createSeededRandom(1), logger: silentLogger }
  const mailboxes = createMailboxes(parts)
  await mailboxes.createAccount(accountId, { quotaBytes: options.quotaBytes ?? 0, epoch: 1 })
  const account = await mailboxes.open(accountId)
  const inbox = account.byName('INBOX')
  assert.ok(inbox)
  return { clock, store, log, mailboxes, account, inbox: inbox.id, parts }
}

type Setup = Awaited<ReturnType<typeof setup>>

async function put(
  { log, account, inbox }: Pick<Setup, 'log' | 'account' | 'inbox'>,
  text = 'Subject: x\r\n\r\nbody\r\n',
  more: { flags?: string[]; deliveryId?: string; mailbox?: string; emailId?: string } = {},
) {
  const blob = await log.append([Buffer.from(text)])
  const { flags = [], deliveryId, mailbox = inbox, emailId } = more
  const [result] = await account.append(mailbox, [
    { blob, flags, internalDateMs: 5, ...(deliveryId && { deliveryId }), ...(emailId && { emailId }) },
  ])
  assert.ok(result)
  return result
}

function idOf(account: AccountMailboxes, name: string): string {
  const found = account.byName(name)
  assert.ok(found, name)
  return found.id
}

const uidsOf = (records: readonly MessageRecord[]) => records.map((record) => record.uid)

test('a new account has the six mailboxes with their uses, subscribed', async () => {
  const { account, mailboxes } = await setup()
  assert.deepEqual(
    account.list().map((it) => [it.name, it.specialUse, it.subscribed]),
    [
      ['INBOX', null, true],
      ['Archive', '\\Archive', true],
      ['Drafts', '\\Drafts', true],
      ['Junk', '\\Junk', true],
      ['Sent', '\\Sent', true],
      ['Trash', '\\Trash', true],
    ],
  )
  const before = account.list()
  await mailboxes.createAccount(accountId, { quotaBytes: 1, epoch: 9 })
  assert.deepEqual(account.list(), before)
  assert.equal(new Set(before.map((it) => it.uidValidity)).size, 6)
})

test('an account that is not there is refused', async () => {
  const parts = await setup()
  const { mailboxes, account, log } = parts
  await put(parts)
  await assert.rejects(mailboxes.open('b'.repeat(32)), (error) => isErrorCode(error, 'no-such-account'))
  await mailboxes.deleteAccount(accountId)
  assert.equal(log.released.length, 1)
  await assert.rejects(mailboxes.open(accountId), (error) => isErrorCode(error, 'no-such-account'))
  await assert.rejects(account.create('x'), (error) => isErrorCode(error, 'no-such-account'))
})

test('append gives rising UIDs, counts exactly, and is told once durable', async () => {
  const parts = await setup()
  const { account, inbox, log, store } = parts
  const heard: JournalEntry[] = []
  account.onChange(({ entry }) => heard.push(entry))
  const first = await put(parts, 'a: b\r\n\r\n1')
  assert.notEqual(first, 'duplicate')
  await put(parts, 'a: b\r\n\r\n22', { flags: ['\\seen', '$Label'] })
  const record = account.byId(inbox)
  assert.deepEqual([record?.messages, record?.unseen, record?.bytes, record?.uidNext], [2, 1, 9 + 10, 3])
  assert.equal(account.state().usedBytes, 19)
  assert.equal(record?.highestModseq, MODSEQ_EPOCH + account.state().seq)
  assert.deepEqual(
    heard.map((entry) => entry.seq),
    [2, 3],
  )
  const messages = await account.messages(inbox)
  assert.deepEqual(uidsOf(messages), [1, 2])
  assert.deepEqual(messages[1]?.flags, ['\\Seen', '$Label'])
  assert.deepEqual(Buffer.from(await account.body(messages[0] as MessageRecord)).toString(), 'a: b\r\n\r\n1')
  assert.deepEqual(await store.loadMessages(accountId, inbox), messages)
  assert.deepEqual(log.released, [])
})

test('many appends at once share syncs and keep their order', async () => {
  let syncs = 0
  const parts = await setup({
    sync: async () => {
      syncs += 1
      await new Promise((resolve) => setImmediate(resolve))
    },
  })
  const { account, inbox, log } = parts
  const blob = await log.append([Buffer.from('a: b\r\n\r\n')])
  const before = syncs
  const order: number[] = []
  account.onChange(({ entry }) => order.push(entry.seq))
  const results = await Promise.all(
    Array.from({ length: 40 }, () => account.append(inbox, [{ blob, flags: [], internalDateMs: 1 }])),
  )
  assert.deepEqual(
    results.map(([it]) => (it === 'duplicate' ? 0 : it?.uid)).toSorted((a, b) => Number(a) - Number(b)),
    Array.from({ length: 40 }, (_, at) => at + 1),
  )
  assert.ok(syncs - before < 10, `${syncs - before} syncs`)
  assert.deepEqual(
    order,
    order.toSorted((a, b) => a - b),
  )
  assert.equal(order.length, 40)
})

test('a delivery id is put in once: again, at the same time, in one call, after a restart', async () => {
  const parts = await setup()
  const { account, inbox, log, store, parts: components } = parts
  const blob = await log.append([Buffer.from('a: b\r\n\r\n')])
  const message = { blob, flags: [], internalDateMs: 1, deliveryId: 'q.0' }
  const twice = await Promise.all([account.append(inbox, [message, message]), account.append(inbox, [message])])
  const flat = twice.flat()
  assert.equal(flat.filter((it) => it === 'duplicate').length, 2)
  assert.deepEqual(await account.append(inbox, [message]), ['duplicate'])
  assert.equal((await account.messages(inbox)).length, 1)
  const again = createMailboxes({ ...components, store: store.crash() })
  assert.deepEqual(await (await again.open(accountId)).append(inbox, [message]), ['duplicate'])
})

test('two appends with the same delivery ids in other orders do not wait for each other', async () => {
  const { account, inbox, log } = await setup()
  const blob = await log.append([Buffer.from('a: b\r\n\r\n')])
  const messages = ['q.0', 'q.1', 'q.2'].map((deliveryId) => ({ blob, flags: [], internalDateMs: 1, deliveryId }))
  const results = await Promise.all([account.append(inbox, messages), account.append(inbox, messages.toReversed())])
  assert.equal(results.flat().filter((it) => it === 'duplicate').length, 3)
  assert.equal((await account.messages(inbox)).length, 3)
})

test('a delivery whose first try failed is put in by the one that waited', async () => {
  const parts = await setup()
  const { account, inbox, log, store } = parts
  const blob = await log.append([Buffer.from('a: b\r\n\r\n')])
  const message = { blob, flags: [], internalDateMs: 1, deliveryId: 'q.0' }
  store.failCommits(new SkeinError('disk-full', 'temporary', 'full'))
  const first = account.append(inbox, [message])
  const second = account.append(inbox, [message])
  await assert.rejects(first, (error) => isErrorCode(error, 'disk-full'))
  store.failCommits(undefined)
  await second.catch(() => account.append(inbox, [message]))
  assert.deepEqual(uidsOf(await account.messages(inbox)), [1])
})

test('append is all or nothing over the quota', async () => {
  const parts = await setup({ quotaBytes: 20 })
  const { account, inbox, log } = parts
  const blob = await log.append([Buffer.from('a: b\r\n\r\n12')])
  const one = { blob, flags: [], internalDateMs: 1 }
  await assert.rejects(account.append(inbox, [one, one, one]), (error) => isErrorCode(error, 'over-quota'))
  assert.equal(account.state().usedBytes, 0)
  await account.append(inbox, [one, one])
  await assert.rejects(account.copy(inbox, [1], idOf(account, 'Sent')), (error) => isErrorCode(error, 'over-quota'))
  await account.move(inbox, [1], idOf(account, 'Sent'))
  await account.setQuota(0)
  await account.copy(inbox, [2], inbox)
  assert.equal(account.state().usedBytes, 30)
  await assert.rejects(account.append('0'.repeat(16), [one]), (error) => isErrorCode(error, 'no-such-mailbox'))
})

test('flags: canonical, keywords equal in any case, `\\Recent` never, counts follow', async () => {
  const parts = await setup()
  const { account, inbox } = parts
  await put(parts)
  await put(parts)
  const added = await account.store(inbox, [1, 2, 77], { mode: 'add', flags: ['\\SEEN', 'Work', '\\Recent'] })
  assert.deepEqual(
    added.changed.map((it) => it.flags),
    [
      ['\\Seen', 'Work'],
      ['\\Seen', 'Work'],
    ],
  )
  assert.equal(account.byId(inbox)?.unseen, 0)
  assert.deepEqual((await account.store(inbox, [1], { mode: 'add', flags: ['WORK'] })).changed, [])
  const removed = await account.store(inbox, [1], { mode: 'remove', flags: ['wORK', 'never', '\\Seen'] })
  assert.deepEqual(removed.changed[0]?.flags, [])
  assert.equal(account.byId(inbox)?.unseen, 1)
  assert.deepEqual(account.byId(inbox)?.keywords, ['Work'])
  const replaced = await account.store(inbox, [2], { mode: 'replace', flags: ['b', '\\Draft', 'a', 'A'] })
  assert.deepEqual(replaced.changed[0]?.flags, ['\\Draft', 'a', 'b'])
  for (const bad of ['\\Foo', 'with space', 'kl(', '', 'x'.repeat(256), 'ä']) {
    const change = { mode: 'add' as const, flags: [bad] }
    await assert.rejects(account.store(inbox, [1], change), (error) => isErrorCode(error, 'flag-invalid'), bad)
  }
})

test('unchangedSince leaves alone what others have changed', async () => {
  const parts = await setup()
  const { account, inbox } = parts
  await put(parts)
  await put(parts)
  const since = account.byId(inbox)?.highestModseq as number
  await account.store(inbox, [1], { mode: 'add', flags: ['\\Flagged'] })
  const result = await account.store(inbox, [1, 2], { mode: 'add', flags: ['\\Seen'] }, { unchangedSince: since })
  assert.deepEqual(uidsOf(result.changed), [2])
  assert.deepEqual(result.modified, [1])
})

test('too many keywords are refused; those no longer used make room', async () => {
  const parts = await setup()
  const { account, inbox } = parts
  await put(parts)
  const max = mailboxLimits.keywordsPerMailboxMax
  const names = Array.from({ length: max + 1 }, (_, at) => `k${at}`)
  await assert.rejects(account.store(inbox, [1], { mode: 'add', flags: names }), (error) =>
    isErrorCode(error, 'too-many-keywords'),
  )
  await account.store(inbox, [1], { mode: 'add', flags: names.slice(0, max) })
  await assert.rejects(account.store(inbox, [1], { mode: 'add', flags: ['one-more'] }), (error) =>
    isErrorCode(error, 'too-many-keywords'),
  )
  await account.store(inbox, [1], { mode: 'replace', flags: [] })
  const result = await account.store(inbox, [1], { mode: 'add', flags: ['one-more'] })
  assert.deepEqual(result.changed[0]?.flags, ['one-more'])
})

test('copy keeps flags, bytes and names; move leaves nothing behind', async () => {
  const parts = await setup()
  const { account, inbox } = parts
  await put(parts, 'a: b\r\n\r\n1', { flags: ['\\Flagged', 'Kw'] })
  await put(parts, 'a: b\r\n\r\n2')
  const trash = idOf(account, 'Trash')
  const copied = await account.copy(inbox, [2, 1, 1, 9], trash)
  assert.deepEqual(copied.pairs, [
    { from: 1, to: 1 },
    { from: 2, to: 2 },
  ])
  assert.equal(copied.uidValidity, account.byId(trash)?.uidValidity)
  const source = (await account.messages(inbox))[0]
  const target = (await account.messages(trash))[0]
  assert.deepEqual(
    [target?.flags, target?.blob, target?.emailId, target?.threadId],
    [source?.flags, source?.blob, source?.emailId, source?.threadId],
  )
  const entries: JournalEntry[] = []
  account.onChange(({ entry }) => entries.push(entry))
  const moved = await account.move(inbox, [1, 2], trash)
  assert.deepEqual(moved.pairs, [
    { from: 1, to: 3 },
    { from: 2, to: 4 },
  ])
  assert.equal(entries.length, 1, 'one atomic step')
  assert.deepEqual(await account.messages(inbox), [])
  assert.deepEqual(
    [account.byId(inbox)?.messages, account.byId(inbox)?.bytes, account.byId(trash)?.messages],
    [0, 0, 4],
  )
  const again = await account.move(trash, [1], trash)
  assert.deepEqual(again.pairs, [{ from: 1, to: 5 }])
  assert.deepEqual(uidsOf(await account.messages(trash)), [2, 3, 4, 5])
})

test('expunge removes for good; copies keep what was parsed', async () => {
  const parts = await setup()
  const { account, inbox, log } = parts
  for (let at = 0; at < 5; at++) await put(parts, `Subject: ${at}\r\n\r\nx`)
  await account.copy(inbox, [3], idOf(account, 'Archive'))
  assert.deepEqual(await account.expunge(inbox, [4, 3, 3, 99, 1]), [1, 3, 4])
  assert.deepEqual(uidsOf(await account.messages(inbox)), [2, 5])
  assert.equal(log.released.length, 3)
  const archived = await account.messages(idOf(account, 'Archive'))
  const [info] = await account.infos(archived)
  assert.equal(info?.emailId, archived[0]?.emailId)
  assert.deepEqual(await account.expunge(inbox, [1]), [])
})

test('what was not parsed, or was forgotten, is parsed when asked for; what is damaged is left out', async () => {
  const parts = await setup()
  const { account, inbox, log, store } = parts
  await put(parts, 'Subject: one\r\n\r\nx')
  await put(parts, 'Subject: two\r\n\r\nx')
  const records = await account.messages(inbox)
  const stored = await account.infos(records)
  const { state } = (await store.loadState(accountId)) ?? assert.fail()
  const deleteInfos = records.map((record) => record.emailId)
  const entry: JournalEntry = { seq: state.seq, epoch: 1, modseq: 1, atMs: 1, ops: [] }
  await store.commit({
    state,
    entry,
    putMailboxes: [],
    deleteMailboxes: [],
    putMessages: [],
    deleteMessages: [],
    putInfos: [],
    deleteInfos,
    deliveryIds: [],
  })
  log.damage((records[1] as MessageRecord).blob)
  assert.deepEqual(await account.infos(records), [stored[0], undefined])
})

test('messages that name each other are one thread, in any order of arrival, at once or not', async () => {
  const parts = await setup()
  const { account, inbox } = parts
  const mail = (id: string, references: string[] = []) =>
    `Message-ID: <${id}>\r\n${references.length ? `References: ${references.map((it) => `<${it}>`).join(' ')}\r\n` : ''}\r\nx`
  await put(parts, mail('a@x'))
  await Promise.all([put(parts, mail('b@x', ['a@x'])), put(parts, mail('c@x', ['a@x', 'b@x']))])
  await put(parts, mail('z@x'))
  await put(parts, mail('late-child@x', ['late-parent@x']))
  await put(parts, mail('late-parent@x'))
  const threads = (await account.messages(inbox)).map((it) => it.threadId)
  assert.equal(new Set(threads.slice(0, 3)).size, 1)
  assert.equal(threads[0], (await account.messages(inbox))[0]?.emailId)
  assert.notEqual(threads[3], threads[0])
  assert.equal(threads[4], threads[5])
})

test('names: INBOX in any case, NFC, no empty level, no control characters, limits', async () => {
  const { account } = await setup()
  assert.equal(account.byName('inbox')?.name, 'INBOX')
  await account.create('iNbOx/Sub')
  assert.equal(account.byName('INBOX/Sub')?.name, 'INBOX/Sub')
  await account.create('Cafe\u0301')
  assert.equal(account.byName('Caf\u00e9')?.name, 'Caf\u00e9')
  await assert.rejects(account.create('Caf\u00e9'), (error) => isErrorCode(error, 'mailbox-exists'))
  await assert.rejects(account.create('inbox'), (error) => isErrorCode(error, 'mailbox-exists'))
  const bad = [
    '',
    '/',
    'a//b',
    '/a',
    'a/',
    'a\u0000',
    'a\nb',
    'a\u007f',
    '\ud800',
    'x'.repeat(1025),
    Array.from({ length: 33 }, () => 'a').join('/'),
  ]
  for (const name of bad) {
    await assert.rejects(
      account.create(name),
      (error) => isErrorCode(error, 'mailbox-name-invalid'),
      JSON.stringify(name),
    )
  }
})

test('create makes parents; rename takes children along; delete wants none', async () => {
  const parts = await setup()
  const { account } = parts
  await account.create('a/b/c')
  assert.ok(account.byName('a') && account.byName('a/b'))
  await account.create('ab')
  const id = idOf(account, 'a/b/c')
  await put({ ...parts, inbox: id })
  await account.rename('a', 'x/y')
  assert.deepEqual(
    account
      .list()
      .map((it) => it.name)
      .filter((name) => /^[ax]/.test(name)),
    ['ab', 'x', 'x/y', 'x/y/b', 'x/y/b/c'],
  )
  assert.equal(idOf(account, 'x/y/b/c'), id)
  assert.equal(account.byId(id)?.messages, 1)
  await assert.rejects(account.rename('x', 'x/z'), (error) => isErrorCode(error, 'mailbox-name-invalid'))
  await assert.rejects(account.rename('nope', 'q'), (error) => isErrorCode(error, 'no-such-mailbox'))
  await assert.rejects(account.rename('ab', 'x/y'), (error) => isErrorCode(error, 'mailbox-exists'))
  await assert.rejects(account.delete('x/y'), (error) => isErrorCode(error, 'mailbox-has-children'))
  await assert.rejects(account.delete('INBOX'), (error) => isErrorCode(error, 'mailbox-undeletable'))
  await account.delete('x/y/b/c')
  assert.equal(account.state().usedBytes, 0)
  await assert.rejects(account.messages(id), (error) => isErrorCode(error, 'no-such-mailbox'))
})

test('a mailbox made again has a higher UIDVALIDITY', async () => {
  const { account } = await setup()
  const first = await account.create('again')
  await account.delete('again')
  const second = await account.create('again')
  assert.ok(second.uidValidity > first.uidValidity)
  assert.notEqual(first.id, second.id)
})

test('renaming INBOX moves its messages and leaves it empty, with its children', async () => {
  const parts = await setup()
  const { account, inbox } = parts
  await account.create('INBOX/kept')
  await put(parts)
  await put(parts, 'a: b\r\n\r\nx', { flags: ['\\Seen'] })
  await account.rename('INBOX', 'old/mail')
  assert.equal(account.byName('INBOX')?.id, inbox)
  assert.deepEqual([account.byId(inbox)?.messages, account.byId(inbox)?.uidNext], [0, 3])
  const moved = account.byName('old/mail')
  assert.deepEqual([moved?.messages, moved?.unseen], [2, 1])
  assert.ok(account.byName('INBOX/kept'))
  assert.equal((await put(parts)) !== 'duplicate' && account.byId(inbox)?.uidNext, 4)
})

test('subscriptions are kept', async () => {
  const { account, store } = await setup()
  await account.create('x')
  assert.equal(account.byName('x')?.subscribed, false)
  await account.subscribe('x', true)
  await account.subscribe('Junk', false)
  const loaded = await store.loadState(accountId)
  assert.equal(loaded?.mailboxes.find((it) => it.name === 'x')?.subscribed, true)
  assert.equal(loaded?.mailboxes.find((it) => it.name === 'Junk')?.subscribed, false)
  await assert.rejects(account.subscribe('a//b', true), (error) => isErrorCode(error, 'mailbox-name-invalid'))
})

test('a name is subscribed without a mailbox, until it has one', async () => {
  const { account, store } = await setup()
  const names = async () => (await store.loadState(accountId))?.state.subscribedNames
  assert.equal(await names(), undefined)
  await account.subscribe('later/below', true)
  await account.subscribe('later', true)
  await account.subscribe('later', true)
  await account.delete('Junk')
  assert.deepEqual(await names(), ['Junk', 'later', 'later/below'])
  // The parent that is made on the way is subscribed too; a mailbox that is renamed onto such a name as well.
  assert.equal((await account.create('later/below')).subscribed, true)
  assert.equal(account.byName('later')?.subscribed, true)
  await account.create('x')
  await account.rename('x', 'Junk')
  assert.equal(account.byName('Junk')?.subscribed, true)
  assert.equal(await names(), undefined)
  await account.subscribe('x', false)
  await account.subscribe('x', true)
  await account.subscribe('x', false)
  assert.equal(await names(), undefined)
})

test('names without a mailbox are bounded; a delete is not refused for them', async () => {
  const { account } = await setup()
  for (let at = 0; at < mailboxLimits.subscribedNamesMax; at++) await account.subscribe(`n${at}`, true)
  await assert.rejects(account.subscribe('more', true), (error) => isErrorCode(error, 'too-many-subscriptions'))
  await account.delete('Junk')
  assert.equal(account.state().subscribedNames?.includes('Junk'), false)
  await account.subscribe('n0', false)
  await account.subscribe('more', true)
})

test('a list that loads while messages come and go ends up right', async () => {
  const parts = await setup()
  const { inbox, parts: components } = parts
  for (let at = 0; at < 20; at++) await put(parts)
  const fresh = await createMailboxes(components).open(accountId)
  const blob = await parts.log.append([Buffer.from('a: b\r\n\r\n')])
  const more = () => fresh.append(inbox, [{ blob, flags: [], internalDateMs: 1 }])
  const before = [more(), more()]
  const loading = fresh.messages(inbox)
  const after = [more(), more()]
  const list = await loading
  await Promise.all([...before, ...after])
  assert.deepEqual(
    uidsOf(list),
    Array.from({ length: 24 }, (_, at) => at + 1),
  )
})

test('a failed commit takes those behind it along, and memory is as the disk', async () => {
  const parts = await setup()
  const { account, inbox, store, log } = parts
  await put(parts)
  const list = await account.messages(inbox)
  const before = structuredClone({ list, mailboxes: account.list(), state: account.state() })
  const heard: number[] = []
  account.onChange(({ entry }) => heard.push(entry.seq))
  const blob = await log.append([Buffer.from('a: b\r\n\r\n')])
  store.failCommits(new SkeinError('disk-full', 'temporary', 'full'))
  const outcomes = await Promise.allSettled([
    account.append(inbox, [{ blob, flags: [], internalDateMs: 1 }]),
    account.store(inbox, [1], { mode: 'add', flags: ['\\Seen'] }),
    account.create('new'),
  ])
  assert.ok(outcomes.every((it) => it.status === 'rejected' && isErrorCode(it.reason, 'disk-full')))
  assert.deepEqual({ list, mailboxes: account.list(), state: account.state() }, before)
  assert.deepEqual(heard, [])
  store.failCommits(undefined)
  const after = await account.append(inbox, [{ blob, flags: [], internalDateMs: 1 }])
  assert.equal(after[0] === 'duplicate' ? 0 : after[0]?.uid, 2)
  assert.deepEqual(uidsOf(list), [1, 2])
  assert.deepEqual((await store.loadState(accountId))?.state, account.state())
})

test('a commit that failed but reached the disk is seen and told', async () => {
  const parts = await setup()
  const { account, inbox, store, log } = parts
  await put(parts)
  const list = await account.messages(inbox)
  const heard: number[] = []
  account.onChange(({ entry }) => heard.push(entry.seq))
  const blob = await log.append([Buffer.from('a: b\r\n\r\n')])
  store.failCommits(new SkeinError('store-failed', 'temporary', 'late failure'), true)
  const message = { blob, flags: [], internalDateMs: 1, deliveryId: 'd' }
  await assert.rejects(account.append(inbox, [message]), (error) => isErrorCode(error, 'store-failed'))
  store.failCommits(undefined)
  assert.deepEqual(await account.append(inbox, [message]), ['duplicate'])
  assert.deepEqual(uidsOf(list), [1, 2])
  assert.deepEqual(heard, [3])
})

test('a change that another one under way makes already is done when that one is', async () => {
  let sync = async () => {}
  const parts = await setup({ sync: () => sync() })
  await put(parts)
  const store = () => parts.account.store(parts.inbox, [1], { mode: 'add', flags: ['\\Deleted'] })
  const { promise: synced, resolve } = Promise.withResolvers<void>()
  sync = () => synced
  const first = store()
  let done = false
  const second = store().then(() => (done = true))
  for (let turn = 0; turn < 20; turn++) await new Promise((next) => setImmediate(next))
  assert.equal(done, false, 'the flag was not durable yet, nor to be seen')
  resolve()
  await Promise.all([first, second])
  assert.deepEqual((await parts.account.messages(parts.inbox))[0]?.flags, ['\\Deleted'])

  // Where that one fails, it is made after all.
  const { commit } = parts.store
  const { promise: failed, reject } = Promise.withResolvers<void>()
  parts.store.commit = () => {
    parts.store.commit = commit
    return failed
  }
  const failing = parts.account.store(parts.inbox, [1], { mode: 'add', flags: ['\\Seen'] })
  const again = parts.account.store(parts.inbox, [1], { mode: 'add', flags: ['\\Seen'] })
  await new Promise((next) => setImmediate(next))
  reject(new SkeinError('disk-full', 'temporary', 'full'))
  await assert.rejects(failing)
  await again
  assert.deepEqual((await parts.account.messages(parts.inbox))[0]?.flags, ['\\Seen', '\\Deleted'])
})

test('an idle account is forgotten after a while, one in use is not', async () => {
  const { clock, mailboxes, account, store } = await setup()
  const loads: string[] = []
  const loadState = store.loadState.bind(store)
  store.loadState = (id) => {
    loads.push(id)
    return loadState(id)
  }
  await clock.advance(10 * 60_000)
  await using other = await mailboxes.open(accountId)
  assert.equal(other.accountId, accountId)
  assert.equal(loads.length, 0, 'in use all the time')
  await account[Symbol.asyncDispose]()
  await account[Symbol.asyncDispose]()
  await clock.advance(10 * 60_000)
  await (await mailboxes.open(accountId))[Symbol.asyncDispose]()
  assert.equal(loads.length, 0, 'the other one still has it')
  await other[Symbol.asyncDispose]()
  await clock.advance(10 * 60_000)
  assert.equal(clock.pending, 0)
  await mailboxes.open(accountId)
  assert.equal(loads.length, 1)
})
