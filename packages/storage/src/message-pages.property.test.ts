import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { sampleCommit, sampleMailbox, sampleMessage } from '@skein/mailboxes/compliance'
import { type MailboxCommit, type MessageRecord, withFlags } from '@skein/mailboxes'
import fc from 'fast-check'
import { Database } from './database.ts'
import { createMailboxStore } from './mailbox-store.ts'
import { decodeDelta, encodeDelta, messageKeys, readDeltas } from './message-pages.ts'

const account = 'f'.repeat(32)
const boxes = ['0123456789abcdef', 'fedcba9876543210'] as const

type Step =
  | { kind: 'append'; box: 0 | 1; count: number; gap: number }
  | { kind: 'flags'; box: 0 | 1; from: number; count: number; flags: string[] }
  | { kind: 'expunge'; box: 0 | 1; from: number; count: number }
  | { kind: 'delete'; box: 0 | 1 }
  | { kind: 'wait' }

const box = fc.constantFrom(0 as const, 1 as const)
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constant('append' as const),
    box,
    count: fc.integer({ min: 1, max: 700 }),
    gap: fc.integer({ min: 0, max: 900 }),
  }),
  fc.record({
    kind: fc.constant('flags' as const),
    box,
    from: fc.nat(2000),
    count: fc.integer({ min: 1, max: 900 }),
    flags: fc.subarray(['\\Seen', '\\Deleted', 'keyword', 'Übrig']),
  }),
  fc.record({
    kind: fc.constant('expunge' as const),
    box,
    from: fc.nat(2000),
    count: fc.integer({ min: 1, max: 900 }),
  }),
  fc.record({ kind: fc.constant('delete' as const), box }),
  fc.constant({ kind: 'wait' as const }),
)

/** All that a record says, whatever it reads it from. */
function plain(record: MessageRecord): MessageRecord {
  return withFlags(record, record.flags, record.modseq)
}

/** What the mailboxes hold, and the commit that makes it so. */
class Model {
  readonly messages = [new Map<number, MessageRecord>(), new Map<number, MessageRecord>()] as const
  #uidNext = 1
  #seq = 0

  commit(step: Exclude<Step, { kind: 'wait' }>): MailboxCommit {
    const seq = ++this.#seq
    const id = boxes[step.box]
    const messages = this.messages[step.box]
    const commit = sampleCommit(seq, { putMailboxes: [sampleMailbox(id)] })
    const { modseq } = commit.entry
    if (step.kind === 'append') {
      this.#uidNext += step.gap
      for (let count = 0; count < step.count; count++) {
        const record = sampleMessage(this.#uidNext++, { modseq })
        messages.set(record.uid, record)
        commit.putMessages.push({ mailbox: id, record })
        commit.entry.ops.push({ op: 'add', mailbox: id, message: record })
      }
    } else if (step.kind === 'delete') {
      messages.clear()
      commit.putMailboxes = []
      commit.deleteMailboxes = [id]
    } else {
      for (const before of [...messages.values()].slice(step.from, step.from + step.count)) {
        const { uid } = before
        if (step.kind === 'expunge') {
          messages.delete(uid)
          commit.deleteMessages.push({ mailbox: id, uid })
        } else {
          const record = { ...before, flags: step.flags, modseq }
          messages.set(uid, record)
          commit.putMessages.push({ mailbox: id, record })
          commit.entry.ops.push({ op: 'flags', mailbox: id, uid, flags: step.flags })
        }
      }
    }
    return commit
  }
}

test('pages and deltas hold what the commits made, whenever they are folded and over restarts', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 1, maxLength: 25 }),
      fc.integer({ min: 1, max: 6 }),
      async (steps, deltasMax) => {
        const directory = await mkdtemp(join(tmpdir(), 'skein-pages-'))
        let database = await Database.open(directory)
        try {
          const store = createMailboxStore(database, { deltasMax, writeBytes: 20_000 })
          const model = new Model()
          let under: Promise<void>[] = []
          for (const step of steps) {
            if (step.kind === 'wait') await Promise.all(under)
            else under.push(store.commit(model.commit(step)))
          }
          await Promise.all(under)
          under = []
          const check = async (store: ReturnType<typeof createMailboxStore>) => {
            for (const index of [0, 1] as const) {
              const expected = [...model.messages[index].values()].sort((a, b) => a.uid - b.uid)
              assert.deepEqual((await store.loadMessages(account, boxes[index])).map(plain), expected)
            }
          }
          await check(store)
          await database.close()
          database = await Database.open(directory)
          await check(createMailboxStore(database))
        } finally {
          await database.close()
          await rm(directory, { recursive: true })
        }
      },
    ),
    { numRuns: 40 },
  )
})

test('many commits leave few deltas, and a restart in the middle of a fold loses nothing', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'skein-pages-'))
  const database = await Database.open(directory)
  t.after(async () => {
    await database.close()
    await rm(directory, { recursive: true })
  })
  const store = createMailboxStore(database, { deltasMax: 50 })
  const model = new Model()
  for (let round = 0; round < 20; round++) {
    await Promise.all(
      Array.from({ length: 40 }, () => store.commit(model.commit({ kind: 'append', box: 0, count: 3, gap: 0 }))),
    )
  }
  const deadline = Date.now() + 5_000
  let deltas = Number.POSITIVE_INFINITY
  while (deltas > 200 && Date.now() < deadline) deltas = (await readDeltas(database, account)).length
  assert.ok(deltas <= 200, `${deltas} deltas are left of 800`)
  assert.equal((await store.loadMessages(account, boxes[0])).length, 2400)
  let pages = 0
  for await (const _ of database.prefix(messageKeys.pages(account, boxes[0]))) pages += 1
  assert.ok(pages >= 4, `${pages} pages`)
})

test('deltas that earlier runs left are folded too, once they are many', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'skein-pages-'))
  const database = await Database.open(directory)
  t.after(async () => {
    await database.close()
    await rm(directory, { recursive: true })
  })
  const model = new Model()
  for (let run = 0; run < 3; run++) {
    const store = createMailboxStore(database, { deltasMax: 50 })
    await store.loadMessages(account, boxes[0])
    for (let count = 0; count < 30; count++) {
      await store.commit(model.commit({ kind: 'append', box: 0, count: 1, gap: 0 }))
    }
  }
  const deadline = Date.now() + 5_000
  let deltas = Number.POSITIVE_INFINITY
  while (deltas > 50 && Date.now() < deadline) deltas = (await readDeltas(database, account)).length
  assert.ok(deltas <= 50, `${deltas} deltas are left of 90`)
  assert.equal((await createMailboxStore(database).loadMessages(account, boxes[0])).length, 90)
})

test('a flag set on ten thousand messages takes few bytes', () => {
  const model = new Model()
  model.commit({ kind: 'append', box: 0, count: 10_000, gap: 0 })
  const commit = model.commit({ kind: 'flags', box: 0, from: 0, count: 10_000, flags: ['\\Seen'] })
  const delta = encodeDelta(commit) as Buffer
  assert.ok(delta.length < 100, `${delta.length} bytes`)
  const [change] = decodeDelta(delta)
  assert.ok(change?.kind === 'flags' && change.uids.length === 10_000)
})
