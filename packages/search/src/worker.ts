// The search worker: has the index files, decodes messages, answers queries. One thread; questions go before work,
// and neither keeps the other waiting for more than a slice.
import { rmSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'
import { AccountIndex } from './account-index.ts'
import { letterTexts } from './letter-texts.ts'
import type { LetterTexts } from './letter.ts'
import { packTexts, packedHas, prepareQuery } from './letter.ts'
import { searchLimits } from './limits.ts'
import { IndexDamaged } from './paged-file.ts'
import { rankMessages } from './rank.ts'
import type { SearchMessage, SearchReply } from './requests.ts'
import { VocabularyCache } from './vocabulary.ts'

/** Steps of a task; what it yields is waited for while others go on. */
type Task = Generator<Promise<unknown> | void, unknown>

const port = parentPort
if (port === null) throw new Error('this runs in a worker')
const { directory } = workerData as { directory: string }

const cache = new VocabularyCache(searchLimits.vocabularyBytesMax)
/** The longest unused first. */
const open = new Map<string, AccountIndex>()
/** Steps under way in an account's index: it stays open. */
const users = new Map<string, number>()

function indexOf(account: string): AccountIndex {
  let index = open.get(account)
  open.delete(account)
  index ??= openIndex(account)
  open.set(account, index)
  for (const [oldest, other] of open) {
    if (open.size <= searchLimits.openAccountsMax) break
    if (oldest === account || (users.get(oldest) ?? 0) > 0) continue
    for (const _ of other.flush());
    other.close()
    open.delete(oldest)
  }
  return index
}

function openIndex(account: string): AccountIndex {
  const path = `${directory}/${account}`
  try {
    return new AccountIndex(path, cache)
  } catch (error) {
    if (!(error instanceof IndexDamaged)) throw error
    rmSync(path, { recursive: true, force: true })
    return new AccountIndex(path, cache)
  }
}

function forget(account: string, remove: boolean): void {
  open.get(account)?.close()
  open.delete(account)
  if (remove) rmSync(`${directory}/${account}`, { recursive: true, force: true })
}

function* run(message: SearchMessage): Task {
  switch (message.kind) {
    case 'standing':
      return indexOf(message.account).standing()
    case 'add':
      return yield* addLetters(message)
    case 'remove':
      return indexOf(message.account).remove(message.mailbox, new Set(message.uids))
    case 'keep':
      return indexOf(message.account).keep(message.mailbox, message.uids)
    case 'keep-mailboxes':
      return indexOf(message.account).keepMailboxes(new Set(message.mailboxes))
    case 'flush':
      yield* indexOf(message.account).flush()
      merges.add(message.account)
      return undefined
    case 'forget':
      forget(message.account, true)
      return undefined
    case 'find':
      return yield* indexOf(message.account).find(message.mailbox, message.queries)
    case 'rank':
      return yield* rankMessages(indexOf(message.account), message.mailbox, message.words, message.limit, cache)
    default:
      return yield* examine(message)
  }
}

function* addLetters(message: SearchMessage & { kind: 'add' }): Generator<Promise<unknown> | void, void> {
  const { account, mailbox, uidValidity, after } = message
  if (indexOf(account).coveredUid(mailbox, uidValidity) < after) throw new Error('the index is out of step')
  for (const { uid, bytes } of message.letters) {
    const texts = bytes === null ? null : yield* textsOf(bytes)
    const index = indexOf(account)
    index.add(mailbox, uidValidity, uid, texts)
    if (index.isFull) yield* index.flush()
    yield
  }
  indexOf(account).cover(mailbox, uidValidity, message.coveredUid)
  merges.add(account)
}

/** Null where our own code fails on it: such a message is looked at by other means. */
function* textsOf(bytes: Uint8Array): Generator<Promise<unknown>, LetterTexts | null> {
  let texts: LetterTexts | null = null
  yield letterTexts(bytes, true).then(
    (made) => {
      texts = made
    },
    () => {},
  )
  return texts
}

function* examine(message: SearchMessage & { kind: 'examine' }): Generator<Promise<unknown> | void, boolean[][]> {
  const queries = message.queries.map(prepareQuery)
  const results: boolean[][] = []
  for (const bytes of message.letters) {
    const texts = yield* textsOf(bytes)
    const packed = texts === null ? null : packTexts(texts)
    results.push(queries.map((query) => packed !== null && packedHas(packed, query)))
    yield
  }
  return results
}

/* ------------------------------------------------------------------ taking turns */

interface Running {
  message: SearchMessage | null
  account: string | null
  task: Task
  waiting: boolean
}

const questions: Running[] = []
const work: Running[] = []
/** Accounts whose segments may be worth merging. */
const merges = new Set<string>()
/** Where merging failed in a way that is not damage: it is not tried again. */
const unmergeable = new Set<string>()
let merging: Running | null = null
let scheduled = false

port.on('message', (message: SearchMessage) => {
  const account = 'account' in message ? message.account : null
  const isQuestion = message.kind === 'find' || message.kind === 'examine' || message.kind === 'rank'
  enter({ message, account, task: run(message), waiting: false }, isQuestion ? questions : work)
})

function enter(running: Running, queue: Running[]): void {
  queue.push(running)
  if (running.account !== null) users.set(running.account, (users.get(running.account) ?? 0) + 1)
  schedule()
}

function schedule(): void {
  if (scheduled) return
  scheduled = true
  setImmediate(turn)
}

function turn(): void {
  scheduled = false
  const end = performance.now() + searchLimits.sliceMs
  while (performance.now() < end) {
    const running = questions.find((other) => !other.waiting) ?? nextWork()
    if (running === undefined) return
    step(running)
  }
  schedule()
}

/** Work is done in the order in which it came: the first waits, all wait. */
function nextWork(): Running | undefined {
  const first = work[0] ?? merging ?? nextMerge()
  return first === undefined || first.waiting ? undefined : first
}

function nextMerge(): Running | undefined {
  for (const account of merges) {
    const index = open.get(account)
    if (index?.wantsMerge === true && !unmergeable.has(account)) {
      users.set(account, (users.get(account) ?? 0) + 1)
      merging = { message: null, account, task: index.merge(), waiting: false }
      return merging
    }
    merges.delete(account)
  }
  return undefined
}

function step(running: Running): void {
  try {
    const { done, value } = running.task.next()
    if (done === true) return end(running, { ok: true, value })
    if (value instanceof Promise) {
      running.waiting = true
      void value.then(() => {
        running.waiting = false
        schedule()
      })
    } else if (questions.length > 1 && questions[0] === running) questions.push(questions.shift() as Running)
  } catch (error) {
    fail(running, error)
  }
}

function fail(running: Running, error: unknown): void {
  const damaged = error instanceof IndexDamaged
  const { account } = running
  if (account !== null) {
    // Without merging the index is still right.
    if (running === merging && !damaged) unmergeable.add(account)
    else forget(account, damaged)
  }
  end(running, { ok: false, damaged, message: error instanceof Error ? (error.stack ?? error.message) : String(error) })
}

function end(
  running: Running,
  outcome: { ok: true; value: unknown } | { ok: false; damaged: boolean; message: string },
) {
  if (running === merging) merging = null
  for (const queue of [questions, work]) {
    const at = queue.indexOf(running)
    if (at >= 0) queue.splice(at, 1)
  }
  if (running.account !== null) {
    const left = (users.get(running.account) ?? 1) - 1
    if (left > 0) users.set(running.account, left)
    else users.delete(running.account)
  }
  // Nobody waits for a merge, but a failure is told.
  if (running.message === null && outcome.ok) return
  const reply: SearchReply = { id: running.message?.id ?? 0, ...outcome }
  port?.postMessage(reply)
}
