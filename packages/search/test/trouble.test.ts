// What can go wrong with an index, and what a search says meanwhile: always the truth.
import assert from 'node:assert/strict'
import { readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { silentLogger, systemClock } from '@skein/runtime'
import { createMemoryMessageLog } from '@skein/testkit'
import { AccountFeed } from '../src/account-feed.ts'
import { WorkerGone } from '../src/search-worker.ts'
import type { SearchRequest } from '../src/requests.ts'
import { ACCOUNT, letter, startHarness } from './harness.ts'
import type { Harness } from './harness.ts'

async function fill(harness: Harness, count: number): Promise<number[]> {
  const uids: number[] = []
  for (let number = 0; number < count; number++) {
    uids.push(await harness.deliver(letter(`Letter ${number}`, `lorem ${number % 2 === 0 ? 'even' : 'odd'} 会议`)))
  }
  return uids
}

async function covered(harness: Harness): Promise<number> {
  const id = harness.account.byName('INBOX')?.id ?? ''
  return (await harness.index.find(harness.account, id, [{ field: 'text', text: 'x' }]))?.coveredUid ?? 0
}

test('a search is right while the index is being made, and when its worker ends in the middle', async () => {
  await using harness = await startHarness()
  const uids = await fill(harness, 300)
  const even = uids.filter((_, at) => at % 2 === 0)
  harness.index.attend(ACCOUNT)
  for (let round = 0; round < 4; round++) {
    assert.deepEqual(await harness.search('body', 'even'), even)
    await harness.index.killWorker()
    assert.deepEqual(
      await harness.search('subject', 'letter 7'),
      [7, 70, 71, 72, 73, 74, 75, 76, 77, 78, 79].map((n) => uids[n]),
    )
    await setTimeout(round * 30)
  }
  await harness.index.settled(ACCOUNT)
  assert.equal(await covered(harness), uids.at(-1))
  assert.deepEqual(await harness.search('body', 'even'), even)
})

test('after a restart it goes on where it was, and learns what it missed', async () => {
  await using harness = await startHarness()
  const uids = await fill(harness, 50)
  harness.index.attend(ACCOUNT)
  await harness.index.settled(ACCOUNT)
  await harness.index.close()
  const inbox = harness.account.byName('INBOX')?.id ?? ''
  await harness.account.expunge(inbox, uids.slice(0, 10))
  const more = await fill(harness, 5)
  await harness.reopen()
  assert.deepEqual(await harness.search('body', 'lorem'), [...uids.slice(10), ...more])
  await harness.index.settled(ACCOUNT)
  assert.equal(await covered(harness), more.at(-1))
  assert.deepEqual(await harness.search('text', '会议'), [...uids.slice(10), ...more])
})

test('a damaged index is thrown away and made again', async () => {
  await using harness = await startHarness()
  const uids = await fill(harness, 40)
  harness.index.attend(ACCOUNT)
  await harness.index.settled(ACCOUNT)
  const folder = join(harness.directory, ACCOUNT)
  for (const kind of ['manifest', 'docs', 'text', 'terms', 'post']) {
    await harness.index.close()
    const name = readdirSync(folder).find((each) => each === kind || each.endsWith(`.${kind}`)) as string
    const bytes = readFileSync(join(folder, name))
    for (let at = 0; at < Math.min(bytes.length, 400); at += 3) bytes[at] = (bytes[at] as number) ^ 0x55
    writeFileSync(join(folder, name), bytes)
    await harness.reopen()
    for (const text of ['even', 'odd 会', '会议']) {
      const expected = text === '会议' ? uids : uids.filter((_, at) => (at % 2 === 0) === (text === 'even'))
      assert.deepEqual(await harness.search('body', text), expected, kind)
    }
    await harness.index.settled(ACCOUNT)
    assert.equal(await covered(harness), uids.at(-1), kind)
    assert.deepEqual(
      await harness.search('body', 'even'),
      uids.filter((_, at) => at % 2 === 0),
      kind,
    )
  }
})

test('files cut short, emptied or taken away are damage too', async () => {
  await using harness = await startHarness()
  const uids = await fill(harness, 20)
  harness.index.attend(ACCOUNT)
  await harness.index.settled(ACCOUNT)
  const folder = join(harness.directory, ACCOUNT)
  for (const [at, harm] of [
    (path: string) => writeFileSync(path, readFileSync(path).subarray(0, 20)),
    (path: string) => writeFileSync(path, ''),
    (path: string) => rmSync(path),
  ].entries()) {
    for (const kind of ['docs', 'terms']) {
      await harness.index.close()
      harm(join(folder, readdirSync(folder).find((each) => each.endsWith(`.${kind}`)) as string))
      await harness.reopen()
      assert.deepEqual(await harness.search('body', 'lorem'), uids, `${kind} ${at}`)
      await harness.index.settled(ACCOUNT)
      assert.equal(await covered(harness), uids.at(-1))
    }
  }
})

test('an account that is deleted takes its index with it', async () => {
  await using harness = await startHarness()
  await fill(harness, 3)
  harness.index.attend(ACCOUNT)
  await harness.index.settled(ACCOUNT)
  assert.deepEqual(readdirSync(harness.directory), [ACCOUNT])
  await harness.mailboxes.deleteAccount(ACCOUNT)
  for (let tries = 0; readdirSync(harness.directory).length > 0; tries++) {
    assert.ok(tries < 200)
    await setTimeout(10)
  }
})

test('without an index every letter is looked at', async () => {
  await using harness = await startHarness({ accounts: 'none' })
  const uids = await fill(harness, 10)
  harness.index.attend(ACCOUNT)
  assert.equal(await covered(harness), 0)
  assert.deepEqual(await harness.search('body', 'lorem'), uids)
  assert.deepEqual(readdirSync(harness.directory), [])
})

test('a letter that ends the worker twice is passed over', async () => {
  const log = createMemoryMessageLog()
  /** What the index holds: UIDs with text and without. */
  let saved: [number, boolean][] = []
  let held: [number, boolean][] = []
  let ends = 0
  const feed = new AccountFeed({
    log,
    clock: systemClock,
    logger: silentLogger,
    worker: { request: (request: SearchRequest) => answer(request) as never },
  })
  async function answer(request: SearchRequest): Promise<unknown> {
    await setTimeout(1)
    const top = Math.max(0, ...held.map(([uid]) => uid))
    if (request.kind === 'standing') return [{ id: 'inbox', uidValidity: 1, coveredUid: top, letters: held.length }]
    if (request.kind === 'keep') return held.length
    if (request.kind === 'flush') saved = [...held]
    if (request.kind !== 'add') return undefined
    if (top < request.after) throw new Error('out of step')
    for (const { uid, bytes } of request.letters) {
      if (bytes !== null && Buffer.from(bytes).includes('poison')) {
        ends += 1
        held = [...saved]
        feed.workerLost()
        throw new WorkerGone('ended')
      }
      held.push([uid, bytes !== null])
    }
    return undefined
  }
  const records = await Promise.all(
    Array.from({ length: 200 }, async (_, at) => {
      const blob = await log.append([Buffer.from(at === 77 || at === 150 ? 'poison' : 'food')])
      const size = blob.length
      return {
        uid: at + 1,
        modseq: 1,
        flags: [],
        internalDateMs: 0,
        size,
        blob,
        emailId: '',
        threadId: '',
        savedDateMs: 0,
      }
    }),
  )
  const inbox = { id: 'inbox', uidValidity: 1, uidNext: 201, messages: 200 }
  const account = {
    accountId: ACCOUNT,
    list: () => [inbox],
    byId: () => inbox,
    messages: async () => records,
    async [Symbol.asyncDispose]() {},
  }
  feed.start({ open: async () => account as never })
  feed.follow(ACCOUNT)
  await feed.settled(ACCOUNT)
  assert.deepEqual(
    saved.map(([uid]) => uid),
    records.map(({ uid }) => uid),
  )
  assert.deepEqual(
    saved.flatMap(([uid, whole]) => (whole ? [] : [uid])),
    [78, 151],
  )
  assert.ok(ends <= 6, `${ends}`)
  await feed.close()
})
