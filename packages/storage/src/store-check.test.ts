import assert from 'node:assert/strict'
import { mkdtemp, open, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { createMailboxes, type BlobRef, type MessageRecord } from '@skein/mailboxes'
import { isErrorCode, silentLogger } from '@skein/runtime'
import { VirtualClock, createSeededRandom } from '@skein/testkit'
import { Database, type DatabaseOp } from './database.ts'
import { compactMessages, measureLiveBytes } from './live-blobs.ts'
import { encodeMailbox, encodeReader, encodeState, decodeMailbox, decodeState } from './mailbox-records.ts'
import { createMailboxStore, mailboxKeys } from './mailbox-store.ts'
import { openMessageLog } from './message-log.ts'
import { encodePage } from './message-page.ts'
import { messageKeys } from './message-pages.ts'
import { createQueueStore } from './queue-store.ts'
import { checkStore } from './store-check.ts'
import { createStoreUpkeep } from './store-upkeep.ts'

const accountId = 'a'.repeat(32)
const dayMs = 24 * 3600 * 1000

async function setup(t: TestContext) {
  const directory = await mkdtemp(join(tmpdir(), 'skein-check-'))
  const clock = new VirtualClock()
  const database = await Database.open(join(directory, 'db'))
  const logSettings = { recentBytes: 0, segmentBytes: 20_000 }
  const log = await openMessageLog(join(directory, 'messages'), { clock, logger: silentLogger }, logSettings)
  t.after(async () => {
    await log.close()
    await database.close()
    await rm(directory, { recursive: true })
  })
  const store = createMailboxStore(database)
  const mailboxes = createMailboxes({ store, log, clock, random: createSeededRandom(1), logger: silentLogger })
  for (const id of [accountId, 'b'.repeat(32)]) await mailboxes.createAccount(id, { quotaBytes: 0, epoch: 1 })
  const account = await mailboxes.open(accountId)
  const inbox = account.byName('INBOX')?.id as string
  const letter = (index: number) =>
    Buffer.from(`Message-ID: <${index}@x>\r\nSubject: ${index}\r\n\r\n${'x'.repeat(1000 + index)}`)
  const put = async (index: number) => {
    const bytes = letter(index)
    const blob = await log.append([bytes])
    const deliveryId = `q.${index}`
    await account.append(inbox, [{ blob, bytes, flags: [], internalDateMs: 1, deliveryId }])
    return { blob, bytes }
  }
  return { directory, clock, database, log, store, mailboxes, account, inbox, put, queue: createQueueStore(database) }
}

async function damage(directory: string, bytes: Buffer): Promise<void> {
  for (const name of ['00000001.seg']) {
    const path = join(directory, 'messages', name)
    const at = (await readFile(path)).indexOf(bytes)
    assert.ok(at > 0)
    const file = await open(path, 'r+')
    await file.write(Buffer.from('Z'), 0, 1, at + 100)
    await file.close()
  }
}

test('a sound store has no problems, and the counts of what was checked', async (t) => {
  const { account, inbox, put, database, log, clock } = await setup(t)
  for (let index = 0; index < 10; index++) await put(index)
  await account.copy(inbox, [1, 2], account.byName('Sent')?.id as string)
  await account.store(inbox, [3], { mode: 'add', flags: ['\\Seen'] })
  await account.expunge(inbox, [4])
  const report = await checkStore({ database, log, clock })
  assert.deepEqual(report.problems, [])
  assert.deepEqual([report.accounts, report.mailboxes, report.messages], [2, 12, 11])
  assert.equal(report.bytes, account.state().usedBytes)
})

test('a check of a store in use reports nothing that is not so, and a repair goes between its commits', async (t) => {
  const { account, inbox, put, database, log, clock, mailboxes, store } = await setup(t)
  await put(0)
  const checking = new AbortController()
  const writers = Array.from({ length: 4 }, async (_, worker) => {
    for (let index = 1; !checking.signal.aborted; index++) {
      await put(worker * 100_000 + index)
      const uid = (await account.messages(inbox)).at(-1)?.uid as number
      await account.store(inbox, [uid], { mode: 'add', flags: ['\\Seen'] })
      if (index % 3 === 0) await account.expunge(inbox, [uid])
    }
  })
  const exclusively = mailboxes.repair.bind(mailboxes)
  for (let round = 0; round < 5; round++) {
    assert.deepEqual((await checkStore({ database, log, clock })).problems, [])
    const state = account.state()
    await mailboxes.repair(accountId, async () => {
      const wrong = { ...((await store.loadState(accountId))?.state ?? state), usedBytes: 5 }
      await database.write([{ type: 'put', key: mailboxKeys.state(accountId), value: encodeState(wrong) }])
    })
    const report = await checkStore({ database, log, clock }, { repair: true, exclusively })
    assert.deepEqual(
      report.problems.map((it) => [it.code, it.repaired]),
      [['used-bytes-wrong', true]],
    )
  }
  checking.abort()
  await Promise.all(writers)
  assert.deepEqual((await checkStore({ database, log, clock })).problems, [])
})

test('lost bytes are named by mailbox and UID, and stay reported after a repair', async (t) => {
  const { put, database, log, clock, directory } = await setup(t)
  await put(0)
  const { bytes } = await put(1)
  await damage(directory, bytes)
  for (const repair of [false, true, false]) {
    const report = await checkStore({ database, log, clock }, { repair })
    assert.deepEqual(
      report.problems.map((it) => [it.code, it.accountId, it.repaired]),
      [['message-unreadable', accountId, false]],
    )
    assert.match(report.problems[0]?.text ?? '', /^INBOX, UID 2: /)
  }
})

test('wrong counts, UIDs, quota and indexes are found, repaired, and right afterwards', async (t) => {
  const { put, database, log, clock, inbox, account, store } = await setup(t)
  await put(0)
  await put(1)
  const mailboxKey = mailboxKeys.mailbox(accountId, inbox)
  const stateKey = mailboxKeys.state(accountId)
  const mailbox = decodeMailbox((await database.get(mailboxKey)) as Uint8Array)
  const state = decodeState((await database.get(stateKey)) as Uint8Array)
  const emailId = (await account.messages(inbox))[0]?.emailId as string
  const broken: DatabaseOp[] = [
    { type: 'put', key: mailboxKey, value: encodeMailbox({ ...mailbox, messages: 7, unseen: 0, uidNext: 2 }) },
    { type: 'put', key: stateKey, value: encodeState({ ...state, usedBytes: 1 }) },
    { type: 'put', key: mailboxKeys.info(accountId, emailId), value: Buffer.from('\u0001{"half') },
    { type: 'put', key: mailboxKeys.info(accountId, 'nobody'), value: Buffer.from('\u0001{}') },
  ]
  await database.write(broken)
  const codes = ['counts-wrong', 'info-damaged', 'uid-above-next', 'used-bytes-wrong']
  const found = await checkStore({ database, log, clock })
  assert.deepEqual(found.problems.map((it) => it.code).sort(), codes)
  assert.equal(found.repairedCount, 0)
  const repaired = await checkStore({ database, log, clock }, { repair: true })
  assert.deepEqual([repaired.problemCount, repaired.repairedCount], [4, 4])
  assert.deepEqual((await checkStore({ database, log, clock })).problems, [])
  assert.deepEqual((await store.loadState(accountId))?.state, state)
  assert.deepEqual(
    (await store.loadState(accountId))?.mailboxes.find((it) => it.id === inbox),
    mailbox,
  )
  const [info, orphan] = await store.loadInfos(accountId, [emailId, 'nobody'])
  assert.ok(info)
  assert.equal(orphan, undefined)
})

test('messages of no mailbox, records of no account and gaps in the journal are reported', async (t) => {
  const { put, database, log, clock, inbox, account } = await setup(t)
  await put(0)
  const value = encodePage([(await account.messages(inbox))[0] as MessageRecord])
  await database.write([
    { type: 'put', key: messageKeys.page(accountId, 'f'.repeat(16), 9), value },
    { type: 'put', key: messageKeys.page('c'.repeat(32), inbox, 9), value },
    { type: 'put', key: messageKeys.page(accountId, inbox, 5), value: Buffer.from([99, 1, 2]) },
    { type: 'del', key: mailboxKeys.entry(accountId, 2) },
  ])
  const report = await checkStore({ database, log, clock })
  assert.deepEqual(report.problems.map((it) => it.code).sort(), [
    'journal-gap',
    'mailbox-missing',
    'record-damaged',
    'state-missing',
  ])
})

test('compaction drops what neither queue nor mailbox has, and nothing else', async (t) => {
  const { put, database, log, clock, inbox, account, queue, mailboxes } = await setup(t)
  const all: { blob: BlobRef; bytes: Buffer }[] = []
  for (let index = 0; index < 60; index++) all.push(await put(index))
  const queued = await log.append([Buffer.alloc(3000, 113)])
  const item = {
    id: '01K',
    from: '',
    recipients: [],
    blob: queued,
    size: 3000,
    messageId: '',
    receivedMs: 0,
    source: { kind: 'local' as const, remoteAddress: '', node: 'n', accountId: null },
    smtpUtf8: false,
    eightBit: false,
  }
  await queue.put(item)
  for (let index = 60; index < 80; index++) all.push(await put(index))
  await account.copy(inbox, [5], account.byName('Sent')?.id as string)
  const gone = Array.from({ length: 60 }, (_, at) => at + 1).filter((uid) => uid % 4 !== 0)
  await account.expunge(inbox, gone)
  const nothing = await compactMessages({ database, queue, log })
  assert.equal(nothing.segments, 0, 'too young')
  await clock.advance(2 * 3600 * 1000)
  const before = log.stats().bytes
  const hinted = log.compactable()
  log.noteLiveBytes(new Map(Array.from({ length: 100 }, (_, number) => [number, 2 ** 40])))
  assert.deepEqual(log.compactable(), [])
  log.noteLiveBytes(await measureLiveBytes({ database, queue }))
  assert.deepEqual(log.compactable(), hinted)
  assert.ok(hinted.length > 0)
  const upkeep = createStoreUpkeep({ database, queue, log, clock, logger: silentLogger })
  await upkeep.run()
  assert.ok(log.stats().bytes < before * 0.7)
  const lost: number[] = []
  for (const [index, { blob, bytes }] of all.entries()) {
    const read = await log.read(blob).catch((error: unknown) => {
      assert.ok(isErrorCode(error, 'message-damaged'))
      lost.push(index + 1)
    })
    if (read) assert.ok(Buffer.from(read).equals(bytes))
  }
  assert.ok(lost.length > 30 && lost.every((uid) => gone.includes(uid) && uid !== 5))
  assert.equal((await log.read(queued)).length, 3000)
  await mailboxes.close()
  assert.deepEqual((await checkStore({ database, log, clock })).problems, [])
})

test('old delivery ids, old journal entries and orphaned indexes are swept, young ones stay', async (t) => {
  const { put, database, log, clock, store, queue, account, inbox } = await setup(t)
  for (let index = 0; index < 30; index++) await put(index)
  await account.copy(inbox, [1], inbox)
  await account.expunge(inbox, [1, 31])
  await clock.advance(40 * dayMs)
  for (let index = 30; index < 40; index++) await put(index)
  await clock.advance(60 * dayMs)
  const infosBefore = await count(database, mailboxKeys.infos(accountId))
  const upkeep = createStoreUpkeep(
    { database, queue, log, clock, logger: silentLogger },
    { journalKeepEntries: 5, opsAtOnce: 7 },
  )
  upkeep.start()
  await clock.advance(dayMs + 1)
  const deadline = Date.now() + 5000
  while ((await count(database, mailboxKeys.infos(accountId))) === infosBefore && Date.now() < deadline) {
    await new Promise((resolve) => setImmediate(resolve))
  }
  await upkeep.stop()
  assert.equal(await store.hasDelivery(accountId, 'q.3'), false)
  assert.equal(await store.hasDelivery(accountId, 'q.35'), false)
  assert.equal(await count(database, mailboxKeys.infos(accountId)), 39)
  const seqs: number[] = []
  for await (const { seq } of store.journal(accountId, 0)) seqs.push(seq)
  assert.deepEqual(
    seqs,
    Array.from({ length: 10 }, (_, at) => account.state().seq - 9 + at),
    'the young ones',
  )
  assert.deepEqual((await checkStore({ database, log, clock })).problems, [])
})

async function count(database: Database, prefix: string): Promise<number> {
  let total = 0
  for await (const _ of database.prefix(prefix)) total += 1
  return total
}

test('what readers have, and the index of shares, are made right', async (t) => {
  const { account, clock, database, inbox, log, mailboxes, put, store } = await setup(t)
  const bob = 'b'.repeat(32)
  await account.setAcl(inbox, { who: bob, rights: 'lrs' }, 'replace')
  await put(1)
  await put(2)
  const shared = await mailboxes.openShared(accountId, bob)
  await shared.store(inbox, [1], { mode: 'add', flags: ['\\Seen'] })
  await mailboxes.close()
  assert.equal((await checkStore({ database, log, clock })).problemCount, 0)
  const reader = { user: bob, seen: 7, highestModseq: 1, subscribed: false }
  await database.write([
    { type: 'put', key: mailboxKeys.reader(accountId, inbox, bob), value: encodeReader(reader) },
    { type: 'del', key: mailboxKeys.share(bob, accountId, inbox) },
    { type: 'put', key: mailboxKeys.share('c'.repeat(32), accountId, inbox), value: Buffer.from([1]) },
  ])
  const found = await checkStore({ database, log, clock }, { repair: true })
  assert.deepEqual(found.problems.map(({ code }) => code).sort(), [
    'reader-counts-wrong',
    'share-index-wrong',
    'share-index-wrong',
  ])
  assert.equal((await checkStore({ database, log, clock })).problemCount, 0)
  assert.equal((await store.loadState(accountId))?.readers[0]?.reader.seen, 1)
  assert.deepEqual(await store.sharedWith(bob), [{ owner: accountId, mailbox: inbox }])
})

test('what is left of a mailbox that is gone is found and taken away, and nothing else', async (t) => {
  const { account, clock, database, inbox, log, mailboxes, put } = await setup(t)
  const bob = 'b'.repeat(32)
  await account.setAcl(inbox, { who: bob, rights: 'lrs' }, 'replace')
  await put(1)
  await put(2)
  const shared = await mailboxes.openShared(accountId, bob)
  await shared.store(inbox, [1], { mode: 'add', flags: ['\\Seen'] })
  await account.setAnnotations(inbox, [{ shared: true, name: '/comment', value: 'kept' }])
  await account.setAnnotations(null, [{ shared: false, name: '/comment', value: 'kept' }])
  await account.expunge(inbox, [2])
  await mailboxes.close()
  const all = async () => {
    const keys: string[] = []
    for await (const [key] of database.prefix(mailboxKeys.account(accountId))) keys.push(key)
    return keys
  }
  const before = await all()
  for (const kind of ['seen', 'exp', 'ann']) {
    assert.ok(
      before.some((key) => key.includes(`!${kind}!${inbox}!`)),
      kind,
    )
  }
  assert.equal((await checkStore({ database, log, clock }, { repair: true })).problemCount, 0)
  const value = Buffer.from([1])
  await database.write([
    { type: 'put', key: mailboxKeys.seenBy(accountId, 'gone1', bob, 3), value },
    { type: 'put', key: mailboxKeys.expungedBy(accountId, 'gone1', 3), value },
    { type: 'put', key: mailboxKeys.expungedBy(accountId, 'gone1', 4), value },
    { type: 'put', key: mailboxKeys.expungedBy(accountId, 'gone2', 5), value },
    { type: 'put', key: mailboxKeys.annotation(accountId, 'gone2', null, '/comment'), value },
  ])
  const found = await checkStore({ database, log, clock }, { repair: true })
  assert.deepEqual(
    found.problems.map(({ code, repaired }) => `${code} ${repaired}`),
    Array(4).fill('stray-records true'),
  )
  assert.equal((await checkStore({ database, log, clock })).problemCount, 0)
  assert.deepEqual(await all(), before)
})
