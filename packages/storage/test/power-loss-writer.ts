// The victim of the power-loss test: delivers numbered letters as fast as it can and says on stdout, one JSON line each,
// what was acknowledged, until it is killed. Run by power-loss.test.ts.
import { readdirSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { createMailboxes } from '@skein/mailboxes'
import { silentLogger, systemClock, systemRandom } from '@skein/runtime'
import { Database, createMailboxStore, openMessageLog } from '../src/index.ts'
import { powerLossAccounts, powerLossLetter } from './power-loss-letter.ts'

const directory = process.argv[2] as string
let next = Number(process.argv[3])

const database = await Database.open(join(directory, 'db'), { writeBufferBytes: 1024 * 1024 })
const log = await openMessageLog(
  join(directory, 'messages'),
  { clock: systemClock, logger: silentLogger },
  { segmentBytes: 2 * 1024 * 1024, soloBytes: 60_000 },
)
const parts = { log, clock: systemClock, random: systemRandom, logger: silentLogger }
const mailboxes = createMailboxes({ store: createMailboxStore(database), ...parts })

/** Length of level's log when this was acknowledged: what lies behind it may be lost. */
function levelLog(): { name: string; size: number } {
  const name = readdirSync(join(directory, 'db'))
    .filter((it) => it.endsWith('.log'))
    .sort()
    .at(-1) as string
  return { name, size: statSync(join(directory, 'db', name)).size }
}

function say(line: unknown): void {
  writeSync(1, `${JSON.stringify(line)}\n`)
}

async function worker(accountId: string): Promise<never> {
  await using account = await mailboxes.open(accountId)
  const inbox = account.byName('INBOX')?.id as string
  const archive = account.byName('Archive')?.id as string
  for (;;) {
    const number = next++
    const bytes = powerLossLetter(number)
    const writer = log.writer()
    for (let at = 0; at < bytes.length; at += 50_000) await writer.write(bytes.subarray(at, at + 50_000))
    const blob = await writer.finish()
    // From here on the log has promised to keep it, though nobody outside was told anything.
    say({ stored: blob })
    const [result] = await account.append(inbox, [
      { blob, bytes, flags: [], internalDateMs: number, deliveryId: `letter.${number}` },
    ])
    if (result === undefined || result === 'duplicate') throw new Error('a letter that was delivered before')
    say({ accountId, number, ref: blob, level: levelLog() })
    if (number % 5 === 0) {
      await account.store(inbox, [result.uid], { mode: 'add', flags: ['\\Seen'] })
      say({ accountId, number, seen: true, level: levelLog() })
    }
    if (number % 7 === 0) {
      const moved = await account.move(inbox, [result.uid], archive)
      say({ accountId, number, movedTo: moved.pairs[0]?.to, level: levelLog() })
    }
  }
}

for (const accountId of powerLossAccounts) await mailboxes.createAccount(accountId, { quotaBytes: 0, epoch: 1 })
say({ ready: true })
await Promise.all(Array.from({ length: 20 }, (_, index) => worker(powerLossAccounts[index % 3] as string)))
