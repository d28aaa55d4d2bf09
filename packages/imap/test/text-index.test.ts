// SEARCH with a full-text index beside the mailboxes: the same answers whatever the index covers, and no body is opened
// for what it knows. The index here is a plain look at all letters that forgets some.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { foldText, foldedAddresses, foldedBody, foldedHeader, foldedHeaderHas, indexMessage } from '@skein/mail'
import type { AccountMailboxes, MessageRecord, TextIndex, TextQuery } from '@skein/mailboxes'
import { silentLogger, systemClock, systemRandom } from '@skein/runtime'
import { createImapServer } from '../src/index.ts'
import { TestClient } from './client.ts'
import { authenticator, startHarness, testTls } from './harness.ts'

function look(bytes: Uint8Array, { field, name, text }: TextQuery): boolean {
  const index = indexMessage(bytes)
  const wanted = foldText(text)
  const header = foldedHeader(bytes.subarray(0, index.root.headerEnd))
  switch (field) {
    case 'subject':
      return foldText(index.subject).includes(wanted)
    case 'header':
      return foldedHeaderHas(header, foldText(name ?? ''), wanted)
    case 'body':
      return foldedBody(bytes, index).includes(wanted)
    case 'text':
      return header.includes(wanted) || foldedBody(bytes, index).includes(wanted)
    default:
      return foldedAddresses(index.envelope[field]).includes(wanted)
  }
}

class ForgetfulIndex implements TextIndex {
  coveredUid = 0
  unsure: readonly number[] = []
  absent = false
  examined = 0
  readonly attended = new Set<string>()

  attend(accountId: string): void {
    this.attended.add(accountId)
  }

  async find(mailboxes: AccountMailboxes, mailbox: string, queries: readonly TextQuery[]) {
    if (this.absent) return undefined
    const hits: number[][] = queries.map(() => [])
    for (const record of await mailboxes.messages(mailbox)) {
      if (record.uid > this.coveredUid || this.unsure.includes(record.uid)) continue
      const bytes = await mailboxes.body(record)
      for (const [at, query] of queries.entries()) if (look(bytes, query)) hits[at]?.push(record.uid)
    }
    // Some that are gone since, too.
    const uids = hits.map((own) => Uint32Array.from([...own, this.coveredUid + 1000]))
    return { uidValidity: 1, coveredUid: this.coveredUid, hits: uids, unsure: Uint32Array.from(this.unsure) }
  }

  async examine(mailboxes: AccountMailboxes, records: readonly MessageRecord[], queries: readonly TextQuery[]) {
    this.examined += records.length
    const results: (boolean[] | undefined)[] = []
    for (const record of records) {
      const bytes = await mailboxes.body(record)
      // One in five can't be had.
      results.push(record.uid % 5 === 0 ? undefined : queries.map((query) => look(bytes, query)))
    }
    return results
  }

  async rank() {
    return undefined
  }
}

const words = ['alpha', 'ALPH', 'beta', 'gamma', '会议', 'zzz', 'ann', 'test.com']
const leaf = fc.oneof(
  fc
    .record({
      key: fc.constantFrom('TEXT', 'BODY', 'SUBJECT', 'FROM', 'TO', 'HEADER X-Tag', 'HEADER Subject'),
      word: fc.constantFrom(...words),
    })
    .map(({ key, word }) => `${key} "${Buffer.from(word).toString('latin1')}"`),
  fc.constantFrom('ALL', 'SEEN', 'UNSEEN', '2:7', 'UID 5:*', 'LARGER 170', 'SENTSINCE 1-Jan-2020', 'SUBJECT ""'),
)
const { key } = fc.letrec<{ key: string }>((tie) => ({
  key: fc.oneof(
    { maxDepth: 4 },
    leaf,
    tie('key').map((inner) => `NOT ${inner}`),
    fc.tuple(tie('key'), tie('key')).map(([one, other]) => `OR ${one} ${other}`),
    fc.array(tie('key'), { minLength: 1, maxLength: 3 }).map((inner) => `(${inner.join(' ')})`),
  ),
}))

test('a search says the same with an index as without, whatever the index covers', async () => {
  await using harness = await startHarness()
  const index = new ForgetfulIndex()
  const server = createImapServer({
    mailboxes: harness.mailboxes,
    log: harness.log,
    authenticator,
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
    tls: testTls(),
    textIndex: index,
  })
  const { port } = await server.listen({ host: '127.0.0.1', port: 0, mode: 'starttls' })
  for (let number = 0; number < 24; number++) {
    const pick = (step: number) => words[(number * step) % words.length] as string
    const lines = [`From: ${pick(3)} <ann@test.com>`, `To: x@${pick(5)}`, `X-Tag: ${pick(1)}`, `Subject: ${pick(7)}`]
    await harness.deliver(
      'INBOX',
      [...lines, '', `${pick(1)} ${pick(2)} body`].join('\r\n'),
      number % 3 ? [] : ['\\Seen'],
    )
  }
  await using plain = await TestClient.selected(harness.port)
  await using indexed = await TestClient.selected(port)
  assert.equal(index.attended.size, 1)
  const standing = fc.record({
    absent: fc.boolean(),
    coveredUid: fc.integer({ min: 0, max: 26 }),
    unsure: fc.uniqueArray(fc.integer({ min: 1, max: 24 }), { maxLength: 3 }).map((uids) => uids.sort((a, b) => a - b)),
  })
  await fc.assert(
    fc.asyncProperty(key, standing, async (wanted, { absent, coveredUid, unsure }) => {
      Object.assign(index, { absent, coveredUid, unsure })
      const command = `SEARCH CHARSET UTF-8 ${wanted}`
      const [one, other] = await Promise.all([plain.run(command), indexed.run(command)])
      assert.deepEqual(other, one)
    }),
    { numRuns: 300 },
  )
  Object.assign(index, { absent: false, coveredUid: 24, unsure: [], examined: 0 })
  await indexed.run('SEARCH OR TEXT alpha NOT BODY beta')
  assert.equal(index.examined, 0)
  await server.close({ drainMs: 100 })
})
