import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isErrorCode, silentLogger } from '@skein/runtime'
import { VirtualClock, createMemoryMailboxStore, createMemoryMessageLog, createSeededRandom } from '@skein/testkit'
import { createMailboxes } from './mailboxes.ts'
import type { AccountMailboxes, JournalEntry } from './ports.ts'

const owner = 'a'.repeat(32)
const bob = 'b'.repeat(32)
const carol = 'c'.repeat(32)

async function setup() {
  const clock = new VirtualClock()
  const store = createMemoryMailboxStore()
  const log = createMemoryMessageLog()
  const parts = { store, log, clock, random: createSeededRandom(1), logger: silentLogger }
  const mailboxes = createMailboxes(parts)
  for (const id of [owner, bob]) await mailboxes.createAccount(id, { quotaBytes: 0, epoch: 1 })
  const account = await mailboxes.open(owner)
  const inbox = account.byName('INBOX')?.id as string
  const put = async (into: AccountMailboxes = account, flags: string[] = []) => {
    const blob = await log.append([Buffer.from('Subject: x\r\n\r\nbody\r\n')])
    const [added] = await into.append(inbox, [{ blob, flags, internalDateMs: 5 }])
    return (added as { uid: number }).uid
  }
  return { mailboxes, account, inbox, put, parts, store }
}

const refused = (code: string) => (error: unknown) => isErrorCode(error, code)

async function flagsOf(account: AccountMailboxes, mailbox: string): Promise<(readonly string[])[]> {
  return (await account.messages(mailbox)).map((record) => record.flags)
}

test('whoever is let in is found by the index, and nobody else', async () => {
  const { mailboxes, account, inbox } = await setup()
  const sent = account.byName('Sent')?.id as string
  await account.setAcl(inbox, { who: bob, rights: 'lr' }, 'replace')
  await account.setAcl(sent, { who: 'anyone', rights: 'l' }, 'replace')
  assert.deepEqual(await mailboxes.sharersWith(bob), [owner])
  assert.deepEqual(await mailboxes.sharersWith(carol), [owner])
  await account.setAcl(sent, { who: 'anyone', rights: 'l' }, 'remove')
  assert.deepEqual(await mailboxes.sharersWith(carol), [])
  await using shared = await mailboxes.openShared(owner, bob)
  assert.deepEqual(
    shared.list().map(({ name }) => name),
    ['INBOX'],
  )
  await account.setAcl(inbox, { who: bob, rights: '' }, 'replace')
  assert.deepEqual(await mailboxes.sharersWith(bob), [])
  assert.deepEqual(shared.list(), [])
})

test('negative rights take away what anyone has', async () => {
  const { mailboxes, account, inbox } = await setup()
  await account.setAcl(inbox, { who: 'anyone', rights: 'lrw' }, 'replace')
  await account.setAcl(inbox, { who: bob, negative: true, rights: 'w' }, 'replace')
  await using shared = await mailboxes.openShared(owner, bob)
  await using other = await mailboxes.openShared(owner, carol)
  assert.equal(shared.rights(inbox), 'lr')
  assert.equal(other.rights(inbox), 'lrw')
})

test('everything is held to the rights, and what may not be seen is not there', async () => {
  const { mailboxes, account, inbox, put } = await setup()
  const uid = await put()
  await using shared = await mailboxes.openShared(owner, bob)
  await assert.rejects(shared.messages(inbox), refused('no-such-mailbox'))
  await account.setAcl(inbox, { who: bob, rights: 'l' }, 'replace')
  const calls: (() => Promise<unknown>)[] = [
    () => shared.messages(inbox),
    () => put(shared),
    () => shared.store(inbox, [uid], { mode: 'add', flags: ['x'] }),
    () => shared.expunge(inbox, [uid]),
    () => shared.delete('INBOX'),
    () => shared.create('INBOX/x'),
    () => shared.rename('INBOX', 'x'),
    () => shared.setAcl(inbox, { who: bob, rights: 'a' }, 'add'),
    () => shared.setQuota(1),
    () => shared.annotations(inbox),
  ]
  for (const call of calls) await assert.rejects(call(), refused('not-permitted'), String(call))
  assert.equal((await account.messages(inbox)).length, 1)
})

test("a reader's own \\Seen changes only what that reader is told", async () => {
  const { mailboxes, account, inbox, put } = await setup()
  await account.setAcl(inbox, { who: bob, rights: 'lrs' }, 'replace')
  const uid = await put()
  await using shared = await mailboxes.openShared(owner, bob)
  const before = account.byName('INBOX')
  const heard: JournalEntry[] = []
  shared.onChange(({ entry }) => heard.push(entry))
  const { changed } = await shared.store(inbox, [uid], { mode: 'replace', flags: ['\\Seen', '\\Flagged'] })
  assert.deepEqual(changed[0]?.flags, ['\\Seen'])
  assert.deepEqual(heard[0]?.ops, [{ op: 'flags', mailbox: inbox, uid, flags: ['\\Seen'] }])
  assert.deepEqual(await flagsOf(account, inbox), [[]])
  assert.deepEqual(account.byName('INBOX'), before)
  const read = shared.byName('INBOX')
  assert.equal(read?.unseen, 0)
  assert.equal(read?.highestModseq, changed[0]?.modseq)
  // RFC 7162 §3.1.3 goes by what the reader sees.
  const since = (changed[0]?.modseq ?? 0) - 1
  const again = await shared.store(inbox, [uid], { mode: 'remove', flags: ['\\Seen'] }, { unchangedSince: since })
  assert.deepEqual(again.modified, [uid])
})

test("a reader's \\Seen outlives a restart and ends with the message", async () => {
  const { mailboxes, account, inbox, put, parts } = await setup()
  await account.setAcl(inbox, { who: bob, rights: 'lrs' }, 'replace')
  const [first, second] = [await put(), await put()]
  const shared = await mailboxes.openShared(owner, bob)
  await shared.store(inbox, [first, second], { mode: 'add', flags: ['\\Seen'] })
  await mailboxes.close()
  const again = createMailboxes(parts)
  await using after = await again.openShared(owner, bob)
  await using own = await again.open(owner)
  await own.expunge(inbox, [first])
  assert.equal(after.byName('INBOX')?.unseen, 0)
  assert.deepEqual(await flagsOf(after, inbox), [['\\Seen']])
  assert.deepEqual(await own.vanished(inbox, 0), [first])
  await again.close()
})

test('a new mailbox below is shared as the one above', async () => {
  const { account, inbox, mailboxes } = await setup()
  await account.setAcl(inbox, { who: bob, rights: 'lrk' }, 'replace')
  await using shared = await mailboxes.openShared(owner, bob)
  await shared.create('INBOX/a/b')
  assert.deepEqual(
    shared.list().map(({ name }) => name),
    ['INBOX', 'INBOX/a', 'INBOX/a/b'],
  )
})

test('when the right to read goes, the mailbox is gone for whoever watches it', async () => {
  const { account, inbox, mailboxes, put } = await setup()
  await account.setAcl(inbox, { who: bob, rights: 'lr' }, 'replace')
  await using shared = await mailboxes.openShared(owner, bob)
  const heard: string[] = []
  shared.onChange(({ entry }) => heard.push(...entry.ops.map(({ op }) => op)))
  await put()
  await account.setAcl(inbox, { who: bob, rights: 'r' }, 'remove')
  await put()
  await account.rename('Sent', 'secret')
  assert.deepEqual(heard.slice(0, 2), ['add', 'mailbox-delete'])
  assert.ok(!heard.slice(2).includes('add') && !heard.includes('mailbox'))
})

test('quotas of messages and mailboxes are refused by name', async () => {
  const { account, inbox, put } = await setup()
  await account.setQuota({ messages: 1, mailboxes: 6 })
  const uid = await put()
  await assert.rejects(put(), (error: Error) => refused('over-quota')(error) && /messages/.test(error.message))
  await assert.rejects(account.copy(inbox, [uid], inbox), refused('over-quota'))
  await assert.rejects(
    account.create('x'),
    (error: Error) => refused('over-quota')(error) && /mailboxes/.test(error.message),
  )
  await account.expunge(inbox, [uid])
  await put()
})

test('annotations are kept apart by person, with their limits', async () => {
  const { account, inbox, mailboxes } = await setup()
  await account.setAcl(inbox, { who: bob, rights: 'lr' }, 'replace')
  await using shared = await mailboxes.openShared(owner, bob)
  await account.setAnnotations(inbox, [
    { shared: true, name: '/comment', value: 'ours' },
    { shared: false, name: '/comment', value: 'mine' },
  ])
  await shared.setAnnotations(inbox, [{ shared: false, name: '/Comment', value: 'his' }])
  assert.deepEqual(await shared.annotations(inbox), [
    { shared: false, name: '/comment', value: 'his' },
    { shared: true, name: '/comment', value: 'ours' },
  ])
  const many = Array.from({ length: 101 }, (_, at) => ({ shared: true, name: `/x/${at}`, value: 'v' }))
  await assert.rejects(account.setAnnotations(inbox, many), refused('too-many-annotations'))
  const set = async (name: string, value = 'v') => account.setAnnotations(inbox, [{ shared: true, name, value }])
  await assert.rejects(set('comment'), refused('annotation-invalid'))
  await assert.rejects(set('/a*b'), refused('annotation-invalid'))
  await assert.rejects(set('/a'.repeat(11)), refused('annotation-invalid'))
  await assert.rejects(set('/a', 'x'.repeat(65_537)), refused('annotation-too-big'))
})
