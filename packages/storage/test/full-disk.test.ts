// Mailboxes, level and message log together on a small file system that runs full again and again: nothing acknowledged
// is lost, nothing is there by halves, and mail goes on as soon as there is room.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtemp, rm, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { createMailboxes } from '@skein/mailboxes'
import { isErrorCode, silentLogger, systemClock, systemRandom } from '@skein/runtime'
import { Database, checkStore, createMailboxStore, openMessageLog } from '../src/index.ts'
import { powerLossLetter } from './power-loss-letter.ts'

const accountIds = ['a', 'b', 'c'].map((letter) => letter.repeat(32))
const rounds = 3

/** @param reserved a last part of the disk is kept free, as by default; or all of it is used, to meet every failure there is. */
async function openStore(directory: string, reserved: boolean) {
  const database = await Database.open(join(directory, 'db'), {
    writeBufferBytes: 128 * 1024,
    reserveBytes: reserved ? 2 * 1024 * 1024 : 0,
  })
  const logSettings = {
    segmentBytes: 300_000,
    soloBytes: 60_000,
    recentBytes: 0,
    reserveBytes: reserved ? 3 * 1024 * 1024 : 0,
  }
  const parts = { clock: systemClock, logger: silentLogger }
  const log = await openMessageLog(join(directory, 'messages'), parts, logSettings)
  const mailboxes = createMailboxes({ store: createMailboxStore(database), log, random: systemRandom, ...parts })
  return {
    database,
    log,
    mailboxes,
    async close() {
      await mailboxes.close()
      await log.close()
      await database.close()
    },
  }
}

type OpenStore = Awaited<ReturnType<typeof openStore>>

async function deliver({ mailboxes, log }: OpenStore, number: number): Promise<void> {
  await using account = await mailboxes.open(accountIds[number % 3] as string)
  const inbox = account.byName('INBOX')?.id as string
  const bytes = powerLossLetter(number)
  const writer = log.writer()
  try {
    for (let at = 0; at < bytes.length; at += 50_000) await writer.write(bytes.subarray(at, at + 50_000))
    const blob = await writer.finish()
    const message = { blob, flags: [], internalDateMs: number, deliveryId: `letter.${number}` }
    await account.append(inbox, [message])
  } catch (error) {
    await writer.abort()
    throw error
  }
}

/** @returns the numbers of the letters that are in INBOX, each checked byte for byte */
async function lettersIn({ mailboxes }: OpenStore): Promise<number[]> {
  const numbers: number[] = []
  for (const accountId of accountIds) {
    await using account = await mailboxes.open(accountId)
    for (const record of await account.messages(account.byName('INBOX')?.id as string)) {
      numbers.push(record.internalDateMs)
      assert.ok(Buffer.from(await account.body(record)).equals(powerLossLetter(record.internalDateMs)))
    }
  }
  return numbers.sort((a, b) => a - b)
}

for (const reserved of [false, true]) {
  test(`a disk that runs full loses nothing acknowledged${reserved ? ', with a part kept free' : ''}`, (t) =>
    run(t, reserved))
}

async function run(t: TestContext, reserved: boolean): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'skein-full-disk-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16m', 'tmpfs', directory], { stdio: 'ignore' })
  } catch {
    await rm(directory, { recursive: true })
    return t.skip('needs the right to mount a small file system')
  }
  let store = await openStore(directory, reserved)
  try {
    for (const accountId of accountIds) await store.mailboxes.createAccount(accountId, { quotaBytes: 0, epoch: 1 })
    const delivered = new Set<number>()
    let next = 1
    for (let round = 0; round < rounds; round++) {
      const ballast = join(directory, 'ballast')
      await writeFile(ballast, Buffer.alloc((10 - 3 * round) * 1024 * 1024))
      let failures = 0
      const worker = async () => {
        while (failures < 30) {
          const number = next++
          try {
            await deliver(store, number)
            delivered.add(number)
          } catch (error) {
            assert.ok(isErrorCode(error, 'disk-full') || isErrorCode(error, 'store-busy'), String(error))
            failures += 1
          }
        }
      }
      await Promise.all(Array.from({ length: 12 }, worker))
      // Nobody can write; what was delivered can be read.
      const before = await lettersIn(store)
      for (const number of delivered) assert.ok(before.includes(number), `letter ${number}`)
      await unlink(ballast)
      for (let more = 0; more < 5; more++) {
        await deliver(store, next)
        delivered.add(next++)
      }
      const here = await lettersIn(store)
      assert.equal(new Set(here).size, here.length, 'each once')
      for (const number of delivered) assert.ok(here.includes(number), `letter ${number}`)
      assert.deepEqual((await checkStore({ ...store, clock: systemClock })).problems, [])
      // What the disk has is what memory said.
      await store.close()
      store = await openStore(directory, reserved)
      assert.deepEqual(await lettersIn(store), here)
    }
    assert.ok(delivered.size > 50)
  } finally {
    await store.close()
    execFileSync('umount', [directory])
    await rm(directory, { recursive: true })
  }
}
