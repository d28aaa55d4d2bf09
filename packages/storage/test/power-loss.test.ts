// A node is killed at random moments while it works, then what it had not synced is taken away or overwritten with
// garbage, as a power cut may do. Whatever it had acknowledged must be there, byte for byte.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomBytes, randomInt } from 'node:crypto'
import { mkdtemp, open, readdir, rm, stat, truncate } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { createMailboxes, type BlobRef, type MessageRecord } from '@skein/mailboxes'
import { silentLogger, systemClock, systemRandom } from '@skein/runtime'
import { Database, checkStore, createMailboxStore, openMessageLog } from '../src/index.ts'
import { packedOverhead } from '../src/record-format.ts'
import { powerLossAccounts, powerLossLetter } from './power-loss-letter.ts'

interface Acknowledged {
  accountId: string
  number: number
  ref?: BlobRef
  seen?: boolean
  movedTo?: number
  level: { name: string; size: number }
}

const rounds = 5

interface Run {
  acknowledged: Acknowledged[]
  /** What the message log had said to be durable. */
  stored: BlobRef[]
}

/** Runs the writer until it has acknowledged `count` things, and kills it. */
async function runAndKill(directory: string, from: number, count: number): Promise<Run> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'power-loss-writer.ts'), directory, String(from)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const run: Run = { acknowledged: [], stored: [] }
  for await (const line of createInterface({ input: child.stdout })) {
    // The last line may be cut by the kill; then nobody was told.
    if (!line.endsWith('}')) continue
    const said = JSON.parse(line) as Acknowledged | { stored: BlobRef } | { ready: true }
    if ('stored' in said) run.stored.push(said.stored)
    if (!('number' in said)) continue
    run.acknowledged.push(said)
    if (run.acknowledged.length === count) child.kill('SIGKILL')
  }
  await ended
  assert.ok(run.acknowledged.length >= count, 'the writer died of something else')
  return run
}

/** Cuts `path` somewhere behind `durable`, or fills what lies behind it with garbage. */
async function loseTail(path: string, durable: number): Promise<void> {
  const { size } = await stat(path)
  if (size < durable) assert.fail(`${path} has ${size} bytes, fewer than the ${durable} that were acknowledged`)
  const keep = durable + (size > durable ? randomInt(size - durable) : 0)
  if (randomInt(2) === 0) return truncate(path, keep)
  const file = await open(path, 'r+')
  await file.write(randomBytes(Math.max(1, size - keep)), 0, undefined, keep)
  await file.close()
}

async function loseUnsynced(directory: string, { acknowledged, stored }: Run): Promise<void> {
  const messages = join(directory, 'messages')
  const tail = (await readdir(messages))
    .filter((name) => name.endsWith('.seg'))
    .sort()
    .at(-1)
  if (tail) {
    const number = Number.parseInt(tail, 16)
    // Of a segment in which nothing was stored yet, not even the header was promised.
    let durable = 0
    for (const ref of stored) {
      if (ref.segment === number) durable = Math.max(durable, ref.offset + packedOverhead(ref.length) + ref.length)
    }
    await loseTail(join(messages, tail), durable)
  }
  const last = acknowledged.at(-1)?.level
  if (last && (await readdir(join(directory, 'db'))).includes(last.name))
    await loseTail(join(directory, 'db', last.name), last.size)
}

async function verify(directory: string, acknowledged: readonly Acknowledged[]): Promise<number> {
  const started = performance.now()
  await using log = await openMessageLog(join(directory, 'messages'), { clock: systemClock, logger: silentLogger })
  const database = await Database.open(join(directory, 'db'))
  const startMs = performance.now() - started
  try {
    const parts = { log, clock: systemClock, random: systemRandom, logger: silentLogger }
    const mailboxes = createMailboxes({ store: createMailboxStore(database), ...parts })
    for (const accountId of powerLossAccounts) {
      await using account = await mailboxes.open(accountId)
      const inbox = account.byName('INBOX')?.id as string
      const archive = account.byName('Archive')?.id as string
      const inInbox = new Map((await account.messages(inbox)).map((it) => [it.internalDateMs, it]))
      const inArchive = new Map((await account.messages(archive)).map((it) => [it.internalDateMs, it]))
      for (const said of acknowledged) {
        if (said.accountId !== accountId) continue
        // The writer may have moved it without having had the time to say so.
        const here = [inInbox.get(said.number), inArchive.get(said.number)].filter((it) => it !== undefined)
        assert.equal(here.length, 1, `letter ${said.number} is there once`)
        const record = here[0] as MessageRecord
        if (said.movedTo !== undefined) assert.equal(inArchive.get(said.number)?.uid, said.movedTo)
        if (said.seen) assert.ok(record.flags.includes('\\Seen'))
        assert.ok(Buffer.from(await account.body(record)).equals(powerLossLetter(said.number)))
      }
      const again = acknowledged.find((it) => it.accountId === accountId && it.ref)
      if (again?.ref) {
        const message = { blob: again.ref, flags: [], internalDateMs: 0, deliveryId: `letter.${again.number}` }
        assert.deepEqual(await account.append(inbox, [message]), ['duplicate'])
      }
    }
    await mailboxes.close()
    const report = await checkStore({ database, log, clock: systemClock })
    assert.deepEqual(report.problems, [])
    assert.ok(report.messages > 0)
  } finally {
    await database.close()
  }
  return startMs
}

test('what was acknowledged survives kills and lost tails, and the start is quick', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'skein-power-'))
  t.after(() => rm(directory, { recursive: true }))
  const acknowledged: Acknowledged[] = []
  for (let round = 0; round < rounds; round++) {
    const fresh = await runAndKill(directory, round * 1_000_000 + 1, 100 + randomInt(300))
    acknowledged.push(...fresh.acknowledged)
    await loseUnsynced(directory, fresh)
    const startMs = await verify(directory, acknowledged)
    assert.ok(startMs < 3000, `${startMs} ms`)
  }
})
