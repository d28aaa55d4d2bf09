// Several sessions do random legal commands on one mailbox at once. Each keeps the picture that a client would, from
// nothing but the untagged answers; every answer must fit it, and in the end all pictures are the mailbox.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Random } from '@skein/runtime'
import { ImapBelief, createSeededRandom } from '@skein/testkit'
import { TestClient } from './client.ts'
import { startHarness } from './harness.ts'

function takeAll(picture: ImapBelief, untagged: readonly string[], numbersFixed: boolean): void {
  for (const line of untagged) picture.take(line, { numbersFixed })
}

function pick<Value>(random: Random, values: readonly Value[]): Value {
  return values[Math.floor(random.next() * values.length)] as Value
}

function randomSet(random: Random, count: number): string {
  const number = () => 1 + Math.floor(random.next() * count)
  const first = number()
  return pick(random, [`${first}`, `${first}:${first + 2}`, `${first},${number()}`, '*'])
}

const flagSets = ['(\\Deleted)', '(\\Seen)', '(\\Flagged $Label)', '(\\Answered)', '()']

/** A command, and whether sequence numbers stand still during it. */
function randomCommand(random: Random, picture: ImapBelief): { text: string; numbersFixed: boolean } {
  const count = picture.messages.length
  const uids = randomSet(random, 200)
  const flags = `${pick(random, ['', '+', '-'])}FLAGS${random.next() < 0.1 ? '.SILENT' : ''} ${pick(random, flagSets)}`
  const byUid = [
    `UID FETCH ${uids} (FLAGS)`,
    'UID FETCH 1:* (FLAGS)',
    `UID STORE ${uids} ${flags}`,
    `UID EXPUNGE ${uids}`,
    `UID COPY ${randomSet(random, 5)} INBOX`,
    `UID MOVE ${randomSet(random, 5)} Archive`,
    'UID SEARCH DELETED',
    'EXPUNGE',
    'NOOP',
    'APPEND INBOX (\\Seen) {3+}\r\nabc',
  ]
  const set = randomSet(random, Math.max(1, count - 2))
  const bySequence = [`FETCH ${set} (UID FLAGS)`, `STORE ${set} ${flags}`, 'SEARCH NOT DELETED', `FETCH ${set} BODY[]`]
  if (count < 3 || random.next() < 0.5) return { text: pick(random, byUid), numbersFixed: false }
  if (random.next() < 0.1) return { text: `MOVE ${set} Archive`, numbersFixed: false }
  return { text: pick(random, bySequence), numbersFixed: true }
}

async function session(port: number, random: Random, commands: number): Promise<[TestClient, ImapBelief]> {
  const client = await TestClient.loggedIn(port)
  const picture = new ImapBelief()
  picture.willSelect()
  takeAll(picture, (await client.run('SELECT INBOX')).untagged, false)
  for (let done = 0; done < commands; done++) {
    const { text, numbersFixed } = randomCommand(random, picture)
    const { untagged, status } = await client.run(text)
    assert.match(status, /^(OK|NO \[EXPUNGEISSUED\])/, `${text}: ${status}`)
    takeAll(picture, untagged, numbersFixed)
    if (text.includes('.SILENT')) picture.forgetFlags()
  }
  return [client, picture]
}

for (const seed of [1, 2, 3, 4, 5, 6]) {
  test(`what sessions are told adds up to the mailbox, seed ${seed}`, async () => {
    await using harness = await startHarness()
    for (let count = 0; count < 30; count++) await harness.deliver('INBOX', `Subject: ${count}\r\n\r\n${count}`)
    const running = [0, 1, 2].map((number) => session(harness.port, createSeededRandom(seed * 10 + number), 120))
    const delivering = (async () => {
      for (let count = 0; count < 150; count++) await harness.deliver('INBOX', `Subject: more\r\n\r\n${count}`)
    })()
    const sessions = await Promise.all(running)
    await delivering
    const live = await harness.account.messages(harness.account.byName('INBOX')?.id ?? '')
    const wanted = live.map(({ uid, flags }) => ({ uid, flags: [...flags].sort() }))
    for (const [client, picture] of sessions) {
      takeAll(picture, (await client.run('NOOP')).untagged, false)
      // UIDs of what it never asked for; flags must be known already where they were told.
      const told = picture.messages.map(({ flags }) => flags)
      takeAll(picture, (await client.run('UID FETCH 1:* (UID FLAGS)')).untagged, false)
      assert.deepEqual(
        picture.messages.map(({ uid, flags }) => ({ uid, flags })),
        wanted,
      )
      for (const [at, flags] of told.entries()) {
        if (flags !== undefined)
          assert.deepEqual(flags, picture.messages[at]?.flags, `message ${at + 1} changed unsaid`)
      }
      assert.ok(wanted.length > 10)
      await client[Symbol.asyncDispose]()
    }
  })
}
