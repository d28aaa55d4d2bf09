// The threads: that they check, sign and seal what they are given, in one piece or many, and what happens when one breaks.
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import type { LetterToCheck } from '@skein/filtering'
import { SkeinError, isErrorCode, silentLogger, systemClock as clock, type DnsResolver } from '@skein/runtime'
import { createVerifierPool } from '../src/index.ts'
import { messageAuthLimits } from '../src/limits.ts'
import { ed25519Key, rsaKey } from './keys.ts'
import { ZoneResolver } from './zone.ts'

const rsa = rsaKey('bj-rsa')
const ed = ed25519Key('bj-ed')
const zone = {
  'TXT bj-rsa._domainkey.test.com': rsa.record,
  'TXT bj-ed._domainkey.test.com': ed.record,
  'TXT test.com': 'v=spf1 ip4:192.0.2.7 -all',
}
const dns = new ZoneResolver(zone)
const pool = createVerifierPool({ dns, clock, logger: silentLogger }, { hostName: 'mx.there.example', workers: 2 })
after(() => pool.close())
const signal = new AbortController().signal

const header =
  'From: A <a@test.com>\r\nTo: b@there.example\r\nSubject: =?utf-8?q?x?= \t two  spaces \r\n folded\r\n' +
  'Date: Mon, 30 Nov 2026 09:00:00 +0000\r\nMessage-ID: <m@test.com>\r\n\r\n'

async function* inPieces(bytes: Buffer, size: number) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

const letterOf = (bytes: Buffer, size = 64 * 1024): LetterToCheck => ({
  remoteAddress: '192.0.2.7',
  helo: 'mx.test.com',
  from: 'a@test.com',
  size: bytes.length,
  bytes: () => inPieces(bytes, size),
})

const signed = async (bytes: Buffer, keys = [rsa, ed]) => {
  const fields = await pool.sign(
    { bytes: () => inPieces(bytes, 1000), size: bytes.length, domain: 'test.com', keys, atMs: clock.nowMs() },
    signal,
  )
  return Buffer.concat([Buffer.from(fields), bytes])
}

const results = async (bytes: Buffer, size?: number) =>
  (await pool.verify(letterOf(bytes, size), signal)).dkim.map((it) => `${it.algorithm} ${it.result}`)

test('signatures of both kinds pass, for letters of any size and any line', async () => {
  for (const body of [
    '',
    'hello\r\n',
    'trailing \t \r\n\r\n\r\n',
    '\r\n\r\nx',
    'no end of line',
    `${'long line '.repeat(5000)}\r\n`,
    'line\r\n'.repeat(150_000),
  ]) {
    const letter = await signed(Buffer.from(header + body))
    assert.match(
      letter.toString('latin1', 0, 200),
      /^DKIM-Signature: v=1; a=rsa-sha256; c=relaxed\/relaxed; d=test\.com/,
    )
    for (const size of [777, 300_000]) {
      assert.deepEqual(
        await results(letter, size),
        ['rsa-sha256 pass', 'ed25519-sha256 pass'],
        JSON.stringify(body.slice(0, 20)),
      )
    }
  }
})

test('whatever is changed or added is noticed', async () => {
  const letter = (await signed(Buffer.from(`${header}hello\r\n`))).toString('latin1')
  const failures = ['rsa-sha256 fail', 'ed25519-sha256 fail']
  for (const changed of [
    letter.replace('hello', 'hullo'),
    letter.replace('a@test.com', 'c@test.com'),
    letter.replace('two', 'three'),
    // Oversigned: a second one of these would be what mail programs show.
    ...[
      'From: x@test.com',
      'Subject: x',
      'To: x@y.example',
      'Cc: x@y.example',
      'Reply-To: x@y.example',
      'Content-Type: text/html',
    ].map((field) => `${field}\r\n${letter}`),
  ]) {
    assert.deepEqual(await results(Buffer.from(changed, 'latin1')), failures)
  }
  const relayed = `Received: by x\r\nList-Id: <x>\r\n${letter}`
  assert.deepEqual(await results(Buffer.from(relayed, 'latin1')), ['rsa-sha256 pass', 'ed25519-sha256 pass'])
})

test('a letter without From is not signed', async () => {
  const letter = Buffer.from('Subject: x\r\n\r\nhello\r\n')
  assert.deepEqual(await signed(letter), letter)
})

test('a sealed letter has a chain that passes, and grows by one set at each hop', async () => {
  let letter = await signed(Buffer.from(`${header}hello\r\n`))
  for (let hop = 1; hop <= 3; hop++) {
    const { arc } = await pool.verify(letterOf(letter), signal)
    assert.deepEqual([arc.result, arc.instance], [hop === 1 ? 'none' : 'pass', hop - 1])
    const set = await pool.seal(
      {
        bytes: () => inPieces(letter, 5000),
        size: letter.length,
        domain: 'test.com',
        keys: [rsa],
        atMs: clock.nowMs(),
        results: `mx${hop}.test.com;\r\n\tdmarc=pass header.from=test.com`,
        chain: arc,
      },
      signal,
    )
    assert.match(set, new RegExp(`^ARC-Seal: i=${hop};`))
    letter = Buffer.concat([Buffer.from(set), letter])
  }
  const { arc } = await pool.verify(letterOf(letter), signal)
  assert.equal(arc.result, 'pass')
  assert.deepEqual(
    arc.sets.map((set) => `${set.instance} ${set.sealer} ${set.results.slice(0, 13)}`),
    ['3 test.com mx3.test.com;', '2 test.com mx2.test.com;', '1 test.com mx1.test.com;'],
  )
  const broken = Buffer.from(letter.toString('latin1').replace('mx2.test.com', 'mx9.test.com'), 'latin1')
  assert.equal((await pool.verify(letterOf(broken), signal)).arc.result, 'fail')
})

test('a header that costs too much is not read; the letter has a result all the same', async () => {
  const lines = ' x\r\n'.repeat(messageAuthLimits.headerLinesMax + 1)
  const bytes = Buffer.from(`From: a@test.com\r\nSubject: x\r\n${lines}\r\nhello`)
  const large = Buffer.from(`From: a@test.com\r\nSubject: ${'x'.repeat(messageAuthLimits.headerBytesMax)}\r\n\r\nhello`)
  for (const letter of [bytes, large]) {
    const { dkim, spf } = await pool.verify(letterOf(letter), signal)
    assert.deepEqual(
      dkim.map((it) => it.result),
      ['policy'],
    )
    assert.equal(spf.at(-1)?.result, 'pass')
  }
})

test('signatures beyond the limit are not checked', async () => {
  const letter = await signed(
    Buffer.from(`${header}hello\r\n`),
    Array.from({ length: 12 }, () => ed),
  )
  const found = (await pool.verify(letterOf(letter), signal)).dkim
  assert.equal(found.length, 12)
  assert.deepEqual([found[9]?.result, found[10]?.result, found[10]?.reason], ['pass', 'neutral', 'too many signatures'])
})

const hanging = (): DnsResolver & { asked: () => number } => {
  let asked = 0
  const wait = () => {
    asked++
    return new Promise<never>(() => {})
  }
  return { a: wait, aaaa: wait, mx: wait, txt: wait, ptr: wait, cname: wait, tlsa: wait, asked: () => asked }
}

async function until(isSo: () => boolean): Promise<void> {
  const deadline = clock.monotonicMs() + 20_000
  while (!isSo()) {
    assert.ok(clock.monotonicMs() < deadline)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

test('a thread that breaks costs the letters in its hands an error, and the next one has a new thread', async () => {
  const stuck = hanging()
  const own = createVerifierPool({ dns: stuck, clock, logger: silentLogger }, { hostName: 'mx.x', workers: 1 })
  const letter = letterOf(Buffer.from(`${header}hello`))
  const lost = assert.rejects(own.verify(letter, signal), (error) => isErrorCode(error, 'verifier-failed'))
  await until(() => stuck.asked() > 0)
  await own.crash()
  await lost
  await until(() => own.workers() === 0)
  const sign = { bytes: letter.bytes, size: letter.size, domain: 'test.com', keys: [ed], atMs: 0 }
  assert.match(await own.sign(sign, signal), /^DKIM-Signature:/)
  assert.equal(own.workers(), 1)
  await own.close()
  await assert.rejects(own.sign(sign, signal), (error) => isErrorCode(error, 'verifier-failed'))
})

test('a letter that is called off is let go, and one that cannot be read is an error of its own', async () => {
  const stuck = hanging()
  const own = createVerifierPool({ dns: stuck, clock, logger: silentLogger }, { hostName: 'mx.x', workers: 1 })
  const caller = new AbortController()
  const off = assert.rejects(own.verify(letterOf(Buffer.from(`${header}x`)), caller.signal), (error) =>
    isErrorCode(error, 'verifier-failed'),
  )
  await until(() => stuck.asked() > 0)
  caller.abort()
  await off
  const unreadable = { ...letterOf(Buffer.alloc(10)), bytes: () => failing() }
  await assert.rejects(own.verify(unreadable, signal), /disk/)
  await own.close()
})

async function* failing(): AsyncIterable<Uint8Array> {
  yield Buffer.from('From: x')
  throw new SkeinError('store-failed', 'temporary', 'the disk of this server failed')
}

test('more letters than may wait are told to come again', async () => {
  const stuck = hanging()
  const own = createVerifierPool({ dns: stuck, clock, logger: silentLogger }, { hostName: 'mx.x', workers: 1 })
  const letter = letterOf(Buffer.from(`${header}x`))
  const { waitingLettersMax, lettersPerWorkerMax } = messageAuthLimits
  const all = Array.from({ length: waitingLettersMax + lettersPerWorkerMax }, () => own.verify(letter, signal))
  const outcomes = Promise.allSettled(all)
  await assert.rejects(own.verify(letter, signal), (error) => isErrorCode(error, 'verifier-busy'))
  await own.close()
  for (const outcome of await outcomes) assert.equal(outcome.status, 'rejected')
})
