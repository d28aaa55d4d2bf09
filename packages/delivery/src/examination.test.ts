// What the intake does with an examiner's word: fields on top, Junk at the home, refusals that keep nothing, and whom it asks.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isErrorCode, SkeinError, sleep } from '@skein/runtime'
import { letter, MeshFixture } from './mesh-fixture.ts'
import { LetterRefused, type Examination, type ExaminedLetter, type LetterExaminer } from './ports.ts'

class TestExaminer implements LetterExaminer {
  readonly seen: { letter: ExaminedLetter; bytes: Buffer; again: Buffer }[] = []
  answer: Examination = { verdict: 'take', fields: 'X-Seen: yes\r\n', detail: 'looked at' }
  before: (signal: AbortSignal) => Promise<void> = async () => {}
  wants = true

  concerns(): boolean {
    return this.wants
  }

  async examine(seen: ExaminedLetter, signal: AbortSignal): Promise<Examination> {
    await this.before(signal)
    this.seen.push({ letter: seen, bytes: await whole(seen), again: await whole(seen) })
    return this.answer
  }

  async signOwn(bytes: Uint8Array): Promise<string> {
    return `X-Signed: ${bytes.length}\r\n`
  }
}

async function whole(seen: ExaminedLetter): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  for await (const piece of seen.bytes()) pieces.push(piece)
  return Buffer.concat(pieces)
}

/** aaa lives on bj, bbb on hk; every letter is examined. */
async function examinedMesh(settings = {}): Promise<{ mesh: MeshFixture; examiner: TestExaminer }> {
  const mesh = new MeshFixture(settings)
  const examiner = new TestExaminer()
  mesh.examiner = examiner
  await mesh.start('bj')
  await mesh.start('hk')
  await mesh.account('aaa@test.com', 'bj')
  await mesh.account('bbb@test.com', 'hk')
  return { mesh, examiner }
}

const from = 's@example.org'

test('fields go on top, and the trace tells; the letter is shown as it will be kept', async () => {
  const { mesh, examiner } = await examinedMesh()
  await mesh.accept('bj', from, ['aaa@test.com'], letter)
  const [kept] = await mesh.inbox('aaa@test.com')
  assert.match(kept?.text ?? '', /^Return-Path: <s@example\.org>\r\nX-Seen: yes\r\nReceived: /)
  const [seen] = examiner.seen
  assert.equal(seen?.bytes.toString(), letter)
  assert.deepEqual(
    [seen.again.length, seen.letter.size, seen.letter.leaves],
    [seen.bytes.length, seen.bytes.length, false],
  )
  const [accepted] = await mesh.node('bj').delivery.traces('m1@example.org')
  assert.match(accepted?.detail ?? '', /; looked at$/)
})

test('a submission is shown with what it lacked; its size is right; leaving is told, also by an alias', async () => {
  const { mesh, examiner } = await examinedMesh()
  mesh.map.aliases.set('away@test.com', ['x@example.org'])
  const source = mesh.submitter('aaa@test.com')
  await mesh.accept(
    'bj',
    'aaa@test.com',
    ['x@example.org'],
    'From: aaa@test.com\r\nBcc: y@z.example\r\n\r\nhello\r\n',
    source,
  )
  await mesh.accept('bj', from, ['away@test.com'], letter)
  const [submitted, forwarded] = examiner.seen
  assert.match(
    submitted?.bytes.toString() ?? '',
    /^Message-ID: <[^>]+>\r\nDate: [^\r]+\r\nFrom: aaa@test\.com\r\n\r\nhello\r\n$/,
  )
  assert.equal(submitted?.letter.size, submitted?.bytes.length)
  assert.deepEqual([submitted?.letter.leaves, forwarded?.letter.leaves], [true, true])
})

test('a letter too large for memory is read back from the log, as often as it is asked for', async () => {
  const { mesh, examiner } = await examinedMesh({ intakeMemoryBytesPerLetterMax: 100 })
  const large = `Subject: x\r\n\r\n${'line\r\n'.repeat(2000)}`
  await mesh.accept('bj', from, ['aaa@test.com'], large)
  assert.equal(examiner.seen[0]?.bytes.toString(), large)
  assert.equal(examiner.seen[0]?.again.toString(), large)
  assert.ok((await mesh.inbox('aaa@test.com'))[0]?.text.endsWith(large))
})

test('junk is filed under Junk: here, at another node, and after waiting in the queue', async () => {
  const { mesh, examiner } = await examinedMesh()
  examiner.answer = { verdict: 'junk', fields: '', detail: '' }
  await mesh.accept('bj', from, ['aaa@test.com', 'bbb@test.com'], letter)
  await mesh.clock.advance(1000)
  mesh.crash('hk')
  await mesh.clock.advance(500)
  await mesh.accept('bj', from, ['bbb@test.com'], letter)
  mesh.crash('bj')
  await mesh.start('bj')
  await mesh.start('hk')
  await mesh.clock.advance(120_000)
  assert.deepEqual(
    [(await mesh.inbox('aaa@test.com')).length, (await mesh.inbox('aaa@test.com', 'Junk')).length],
    [0, 1],
  )
  assert.deepEqual(
    [(await mesh.inbox('bbb@test.com')).length, (await mesh.inbox('bbb@test.com', 'Junk')).length],
    [0, 2],
  )
})

test('without a Junk mailbox it goes into INBOX', async () => {
  const { mesh, examiner } = await examinedMesh()
  examiner.answer = { verdict: 'junk', fields: '', detail: '' }
  const remove = async () => {
    await using account = await mesh.node('bj').mailboxes.open(mesh.map.entries.get('aaa@test.com')?.accountId ?? '')
    await account.delete('Junk')
  }
  await mesh.clock.runUntil(remove())
  await mesh.accept('bj', from, ['aaa@test.com'], letter)
  assert.equal((await mesh.inbox('aaa@test.com')).length, 1)
})

test('a refused letter is refused in the examiner’s words, and nothing of it is kept', async () => {
  for (const settings of [{}, { intakeMemoryBytesPerLetterMax: 10 }]) {
    const { mesh, examiner } = await examinedMesh(settings)
    examiner.answer = { verdict: 'refuse', code: 550, status: '5.7.1', text: 'no' }
    await assert.rejects(
      mesh.accept('bj', from, ['aaa@test.com', 'bbb@test.com'], letter),
      (error) =>
        error instanceof LetterRefused && error.replyCode === 550 && error.status === '5.7.1' && error.message === 'no',
    )
    await mesh.clock.advance(1000)
    assert.equal((await mesh.inbox('aaa@test.com')).length + (await mesh.inbox('bbb@test.com')).length, 0)
    assert.equal(mesh.node('bj').delivery.stats().letters, 0)
    assert.deepEqual(await mesh.story('m1@example.org'), ['bj refused'])
  }
})

test('an examiner that fails is trouble for a while; a node that stops does not wait for it', async () => {
  const { mesh, examiner } = await examinedMesh()
  examiner.before = async () => {
    throw new SkeinError('verifier-busy', 'temporary', 'too many letters wait to be checked')
  }
  await assert.rejects(mesh.accept('bj', from, ['aaa@test.com'], letter), (error) =>
    isErrorCode(error, 'verifier-busy'),
  )
  examiner.before = (signal) =>
    new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)))
  const waiting = assert.rejects(mesh.send('bj', from, ['aaa@test.com'], letter), (error) =>
    isErrorCode(error, 'shutting-down'),
  )
  await mesh.clock.advance(100)
  await mesh.clock.runUntil(mesh.node('bj').delivery.stop())
  await waiting
})

test('whom it does not concern waits for nothing', async () => {
  const { mesh, examiner } = await examinedMesh()
  examiner.wants = false
  await mesh.accept('bj', from, ['aaa@test.com'], letter)
  assert.equal(examiner.seen.length, 0)
  assert.equal((await mesh.inbox('aaa@test.com')).length, 1)
})

test('letters of the node itself are signed', async () => {
  const { mesh } = await examinedMesh()
  mesh.outside = async ({ recipients }) => {
    await sleep(mesh.clock, 10)
    const result = { kind: 'permanent', code: 550, status: '5.1.1', text: 'no such user', courier: 'outside' } as const
    return recipients.map(() => ({ ...result, hop: 'mx', atMs: mesh.clock.nowMs() }))
  }
  await mesh.accept('bj', 'aaa@test.com', ['x@example.org'], letter, mesh.submitter('aaa@test.com'))
  await mesh.clock.advance(5000)
  const [notice] = await mesh.inbox('aaa@test.com')
  assert.match(notice?.text ?? '', /^Return-Path: <>\r\nX-Signed: \d+\r\nReceived: /)
})
