import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { describe, test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import * as fc from 'fast-check'
import { type TestServer, WireClient, startServer, testTls } from '../test/server-fixture.ts'

async function eventually(holds: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + 10_000
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`never: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** Ready for MAIL. */
async function greeted(there: TestServer): Promise<WireClient> {
  const client = await there.client()
  assert.match(await client.reply(), /^220/)
  assert.match(await client.command(there.server ? 'EHLO client.example' : ''), /^250/)
  return client
}

const opening = 'MAIL FROM:<a@b.example>\r\nRCPT TO:<x@test.example>\r\nDATA\r\n'

/** After 354. */
async function inData(there: TestServer): Promise<WireClient> {
  const client = await greeted(there)
  client.write(opening)
  assert.match((await client.replies(3)).join('\n'), /\n354 /)
  return client
}

/** What is said and kept, the same for every way to cut the packets. */
async function sameHoweverCut(there: TestServer, session: string): Promise<{ replies: string[]; letters: string[] }> {
  const run = async (chunks: readonly string[]) => {
    there.intake.letters.length = 0
    const client = await there.client()
    for (const chunk of chunks) {
      client.write(chunk)
      await new Promise((resolve) => setImmediate(resolve))
    }
    const replies: string[] = []
    for (let reply = await client.reply(); reply !== ''; reply = await client.reply()) replies.push(reply)
    return { replies, letters: there.intake.letters.map(({ bytes }) => bytes.toString()) }
  }
  const whole = await run([session])
  const rule = fc.asyncProperty(fc.array(fc.nat(session.length), { maxLength: 8 }), async (cuts) => {
    const offsets = [0, ...cuts.toSorted((a, b) => a - b), session.length]
    assert.deepEqual(await run(offsets.slice(1).map((end, i) => session.slice(offsets[i], end))), whole)
  })
  await fc.assert(rule, { numRuns: 50 })
  assert.deepEqual(await run(session.split('')), whole)
  return whole
}

describe('messages', () => {
  const corpus: Record<string, string> = {
    'every byte but line ends': Array.from({ length: 256 }, (_, i) => String.fromCharCode(i))
      .filter((character) => character !== '\r' && character !== '\n')
      .join(''),
    'a line of a megabyte': 'x'.repeat(1 << 20),
    dots: '.\r\n..\r\n...\r\n.x',
    'empty lines': '\r\n\r\n\r\n',
    nothing: '',
  }
  for (const [name, text] of Object.entries(corpus)) {
    test(`${name}: the intake gets the bytes exactly`, async () => {
      await using there = await startServer()
      const client = await inData(there)
      client.write(Buffer.from(`${text}\r\n`.replaceAll(/(^|\r\n)\./g, '$1..') + '.\r\n', 'latin1'))
      assert.match(await client.reply(), /^250/)
      assert.equal(there.intake.letters[0]?.bytes.toString('latin1'), `${text}\r\n`)
    })
  }

  test('however the packets are cut, the sessions says and keeps the same', async () => {
    await using there = await startServer()
    const session = `EHLO x\r\n${opening}one\r\n..\r\n.\r\nNOOP\r\n${opening}two\r\n.\r\nRSET\r\nQUIT\r\n`
    const whole = await sameHoweverCut(there, session)
    assert.deepEqual(whole.letters, ['one\r\n.\r\n', 'two\r\n'])
    assert.equal(whole.replies.length, 13)
  })

  test('BDAT however the packets are cut: the same replies and letters, and no byte of a chunk is ever a command', async () => {
    await using there = await startServer()
    const body = '\r\nQUIT\r\n.\r\nRSET\r\nBDAT 9 LAST\r\nx\r\n'
    const letter = `MAIL FROM:<> BODY=BINARYMIME\r\nRCPT TO:<a@test.example>\r\nBDAT 0\r\nBDAT ${body.length}\r\n${body}BDAT 3 LAST\r\n\n.\r`
    const session = `EHLO x\r\nBDAT 6\r\nQUIT\r\n${letter}NOOP\r\n${letter}QUIT\r\n`
    const whole = await sameHoweverCut(there, session)
    assert.deepEqual(whole.letters, [`${body}\n.\r`, `${body}\n.\r`])
    assert.deepEqual(
      whole.replies.map((it) => Number(it.slice(0, 3))),
      [220, 250, 503, 250, 250, 250, 250, 250, 250, 250, 250, 250, 250, 250, 221],
    )
  })

  test('a client that goes away between two chunks leaves nothing behind', async () => {
    await using there = await startServer()
    const client = await greeted(there)
    client.write('MAIL FROM:<>\r\nRCPT TO:<a@test.example>\r\nBDAT 3\r\nabc')
    await client.replies(3)
    client.destroy()
    await eventually(() => there.intake.aborted.count === 1, 'the letter was aborted')
    assert.equal(there.intake.open(), 0)
  })

  test('250 comes only after the intake has the letter for good', async () => {
    await using there = await startServer()
    let isDurable = false
    let allow = () => {}
    there.intake.beforeFinish = () =>
      new Promise((resolve) => {
        allow = () => {
          isDurable = true
          resolve()
        }
      })
    const client = await inData(there)
    client.write('x\r\n.\r\nNOOP\r\n')
    await eventually(() => there.intake.open() === 1 && allow.toString().includes('isDurable'), 'finish was called')
    const other = await greeted(there)
    assert.match(await other.command('NOOP'), /^250/)
    assert.equal(client.unread, '')
    allow()
    assert.match(await client.reply(), /^250 2\.0\.0 taken/)
    assert.ok(isDurable)
    assert.match(await client.reply(), /^250 2\.0\.0 OK/)
  })

  test('a connection that breaks in the middle leaves nothing', async () => {
    await using there = await startServer()
    const client = await inData(there)
    client.write('half a mess')
    client.destroy()
    await eventually(() => there.intake.aborted.count === 1, 'the writer was aborted')
    assert.equal(there.intake.letters.length, 0)
    assert.equal(there.intake.open(), 0)
  })

  test('an end of the stream is no end of the message', async () => {
    await using there = await startServer()
    const client = await inData(there)
    client.end('text\r\n.\r')
    await client.closed()
    await eventually(() => there.intake.open() === 0, 'the writer was aborted')
    assert.equal(there.intake.letters.length, 0)
  })

  test('a slow intake slows its sender down', async () => {
    await using there = await startServer()
    let release = () => {}
    there.intake.beforeWrite = () =>
      new Promise((resolve) => {
        release = resolve
      })
    const client = await inData(there)
    const piece = Buffer.alloc(1 << 20, 120)
    await eventually(() => {
      if (!client.socket.writableNeedDrain) client.write(piece)
      return client.socket.writableLength > 4 << 20 || client.socket.writableNeedDrain
    }, 'the server stops reading')
    there.intake.beforeWrite = () => {}
    release()
    client.write('\r\n.\r\n')
    assert.match(await client.reply(), /^250/)
  })

  test('an intake that fails in the middle is answered at the end, and the session goes on', async () => {
    await using there = await startServer()
    there.intake.beforeWrite = () => {
      throw new Error('disk on fire')
    }
    const client = await inData(there)
    client.write('x\r\n.\r\nNOOP\r\n')
    assert.match(await client.reply(), /^451 4\.3\.0/)
    assert.match(await client.reply(), /^250/)
    assert.equal(there.intake.open(), 0)
  })
})

describe('smuggling', () => {
  const variants = [
    '\n.\n',
    '\r.\r',
    '\n.\r\n',
    '\r\n.\n',
    '\r.\r\n',
    '\r\n.\r',
    '\r\n\0.\r\n',
    '\r\n.\0\r\n',
    '\r\0\n.\r\n',
    '\n\r.\r\n',
  ]
  const second =
    'MAIL FROM:<evil@b.example>\r\nRCPT TO:<victim@test.example>\r\nDATA\r\nSubject: smuggled\r\n\r\nx\r\n.\r\n'
  for (const variant of variants) {
    test(`${JSON.stringify(variant)} is refused by default`, async () => {
      await using there = await startServer()
      const client = await inData(there)
      client.write(`first${variant}${second}NOOP\r\n`)
      assert.match(await client.reply(), /^550 5\.6\.0/)
      assert.match(await client.reply(), /^250 2\.0\.0 OK/)
      assert.equal(there.intake.letters.length, 0)
    })

    test(`${JSON.stringify(variant)} makes no second letter where line ends are made right`, async () => {
      await using there = await startServer('mx', { bareLineEnds: 'normalise' })
      const client = await inData(there)
      client.write(`first${variant}${second}NOOP\r\n`)
      await client.reply()
      assert.match(await client.reply(), /^250 2\.0\.0 OK/)
      for (const { envelope, bytes } of there.intake.letters) {
        assert.equal(envelope.from, 'a@b.example')
        assert.doesNotMatch(bytes.toString('latin1'), /[^\r]\n|\r[^\n]/)
      }
    })
  }
})

describe('time', () => {
  test('a client that says nothing is sent away, others are served meanwhile', async () => {
    await using there = await startServer('mx', { commandTimeoutMs: 400 })
    const silent = await there.client()
    assert.match(await silent.reply(), /^220/)
    const busy = await greeted(there)
    let isSilentGone = false
    void silent.reply().then((reply) => {
      assert.match(reply, /^421 4\.4\.2/)
      isSilentGone = true
    })
    await eventually(() => {
      busy.write('NOOP\r\n')
      return isSilentGone
    }, 'the silent one is gone')
    assert.match(await busy.reply(), /^250/)
  })

  test('dripping the bytes of a command wins no time', async () => {
    await using there = await startServer('mx', { commandTimeoutMs: 400 })
    const client = await greeted(there)
    const drip = setInterval(() => client.write('N'), 10)
    assert.match(await client.reply(), /^421 4\.4\.2/)
    clearInterval(drip)
  })

  test('a message that stops coming is given up, nothing of it kept', async () => {
    await using there = await startServer('mx', { dataTimeoutMs: 60 })
    const client = await inData(there)
    client.write('half')
    assert.match(await client.reply(), /^421 4\.4\.2 the message did not come in time/)
    await client.closed()
    await eventually(() => there.intake.open() === 0, 'the writer was aborted')
  })

  test('a message that drips has a time for the whole', async () => {
    await using there = await startServer('mx', { dataTimeoutMs: 1_000, dataTotalTimeoutMs: 100 })
    const client = await inData(there)
    const drip = setInterval(() => client.write('x'), 10)
    assert.match(await client.reply(), /^421 4\.4\.2/)
    clearInterval(drip)
  })

  test('who never ends a message with bare line ends is told that it is for good', async () => {
    await using there = await startServer('mx', { dataTimeoutMs: 60 })
    const client = await inData(there)
    client.write('x\n.\n')
    assert.match(await client.reply(), /^550 5\.6\.0/)
    await client.closed()
  })

  test('while we work on a letter the client has all the time', async () => {
    await using there = await startServer('mx', { commandTimeoutMs: 400, dataTimeoutMs: 300, dataTotalTimeoutMs: 300 })
    there.intake.beforeFinish = () => new Promise((resolve) => setTimeout(resolve, 900))
    const client = await inData(there)
    client.write('x\r\n.\r\n')
    assert.match(await client.reply(), /^250/)
  })

  test('a TLS handshake has its time, with STARTTLS and from the first byte', async () => {
    await using plain = await startServer('mx', { tlsHandshakeTimeoutMs: 60, commandTimeoutMs: 2_000 })
    const client = await greeted(plain)
    assert.match(await client.command('STARTTLS'), /^220/)
    await using implicit = await startServer('submissions', { tlsHandshakeTimeoutMs: 60 })
    const silent = await implicit.client({ tls: false })
    await silent.closed()
    client.destroy()
    await eventually(() => implicit.server.connections() === 0, 'the silent one is not counted')
  })

  test('strangers on the MX port wait for the greeting, and who talks before is sent away', async () => {
    await using there = await startServer('mx', { trustedAddresses: [], greetingPauseMs: 200 })
    const start = performance.now()
    const quiet = await there.client()
    const rude = await there.client()
    rude.write('EHLO x\r\n')
    assert.match(await rude.reply(), /^421/)
    assert.match(await quiet.reply(), /^220/)
    assert.ok(performance.now() - start >= 190)
  })

  test('no pause for trusted addresses, submission and LMTP', async () => {
    for (const [role, trustedAddresses] of [
      ['mx', ['127.0.0.0/8']],
      ['submission', []],
      ['lmtp', []],
    ] as const) {
      await using there = await startServer(role, { trustedAddresses, greetingPauseMs: 3_600_000 })
      const client = await there.client()
      assert.match(await client.reply(), /^220/)
    }
  })
})

describe('limits', () => {
  test('connections over the limit hear 421, and a freed place can be had', async () => {
    await using there = await startServer('mx', { connectionsMax: 2 })
    const first = await greeted(there)
    await greeted(there)
    const third = await there.client()
    assert.match(await third.reply(), /^421 4\.3\.2 too many connections/)
    await third.closed()
    assert.match(await first.command('QUIT'), /^221/)
    await first.closed()
    await eventually(() => there.server.connections() === 1, 'the place is free')
    await greeted(there)
  })

  test('one stranger has few, one trusted many', async () => {
    await using there = await startServer('mx', {
      connectionsPerAddressMax: 1,
      trustedAddresses: [],
      greetingPauseMs: 0,
    })
    await greeted(there)
    assert.match(await (await there.client()).reply(), /^421 4\.7\.0/)
    await using trusting = await startServer('mx', { connectionsPerAddressMax: 1 })
    await greeted(trusting)
    await greeted(trusting)
  })

  test('a thousand idle connections leave room for a letter', async () => {
    await using there = await startServer()
    const idle = await Promise.all(Array.from({ length: 1_000 }, () => there.client()))
    await Promise.all(idle.map((client) => client.reply()))
    assert.equal(there.server.connections(), 1_000)
    const client = await inData(there)
    client.write('x\r\n.\r\n')
    assert.match(await client.reply(), /^250/)
    for (const one of idle) one.destroy()
  })

  test('garbage is answered for a while, then sent away', async () => {
    await using there = await startServer('mx', { badCommandsMax: 3 })
    const client = await greeted(there)
    client.write(Buffer.concat(Array.from({ length: 10 }, () => Buffer.from([0xff, 0xfe, 1, 2, 13, 10]))))
    assert.match((await client.replies(4)).join('\n'), /^(?:500 5\.5\.2 .*\n){3}421 4\.7\.0 too many bad commands$/)
    await client.closed()
  })

  test('a letter taken in sets the count of bad commands back', async () => {
    await using there = await startServer('mx', { badCommandsMax: 2 })
    const client = await greeted(there)
    for (let i = 0; i < 3; i++) {
      assert.match(await client.command('FROB'), /^500/)
      assert.match(await client.command('FROB'), /^500/)
      client.write(opening)
      await client.replies(3)
      client.write('x\r\n.\r\n')
      assert.match(await client.reply(), /^250/)
    }
  })

  test('a client that pipelines and never reads is held up, and is cut in the end', async () => {
    await using there = await startServer('mx', { commandTimeoutMs: 400 })
    const flood = await there.client()
    flood.socket.pause()
    await eventually(() => !flood.socket.write('NOOP\r\n'.repeat(10_000)), 'the server stops reading')
    const other = await greeted(there)
    assert.match(await other.command('QUIT'), /^221/)
    await eventually(() => flood.socket.destroyed || there.server.connections() === 0, 'the flood is cut')
  })
})

describe('TLS', () => {
  const pem = (name: string) => readFileSync(new URL(`../test/${name}`, import.meta.url), 'utf8')

  test('a certificate that is replaced is used for the next handshake, a broken one is not', async () => {
    let material = testTls.current()
    let changed = () => {}
    const tls = {
      current: () => material,
      onChange(listener: () => void) {
        changed = listener
        return () => {}
      },
    }
    await using there = await startServer('mx', {}, { tls })
    const nameNow = async () => {
      const client = await greeted(there)
      await client.startTls()
      return (client.socket as TLSSocket).getPeerCertificate().subject.CN
    }
    assert.equal(await nameNow(), 'mx.test')
    material = { key: 'broken', cert: 'broken' }
    changed()
    assert.equal(await nameNow(), 'mx.test')
    material = { key: pem('tls-key-2.pem'), cert: pem('tls-cert-2.pem') }
    changed()
    assert.equal(await nameNow(), 'new.test')
  })

  test('without a certificate there is no server', async () => {
    const tls = { current: () => ({ key: '', cert: '' }), onChange: () => () => {} }
    await assert.rejects(startServer('mx', {}, { tls }), /needs a TLS key/)
  })

  test('the cipher is told to the intake', async () => {
    await using there = await startServer()
    const client = await greeted(there)
    await client.startTls()
    await client.command('EHLO x')
    client.write(opening)
    await client.replies(3)
    client.write('.\r\n')
    await client.reply()
    const source = there.intake.letters[0]?.envelope.source
    assert.match(source?.tls ?? '', /^TLSv1\.3 TLS_AES_/)
    assert.equal(source?.protocol, 'ESMTPS')
  })

  const own = Object.values(networkInterfaces())
    .flat()
    .find((address) => address && !address.internal && address.family === 'IPv4')?.address

  test(
    'passwords in clear text are taken from this machine only',
    { skip: own ? false : 'no other address' },
    async () => {
      await using there = await startServer('submission', {}, { host: own ?? '' })
      const client = await there.client()
      await client.reply()
      assert.doesNotMatch(await client.command('EHLO x'), /AUTH/)
      assert.match(await client.command('AUTH PLAIN AGEAYg=='), /^538 5\.7\.11/)
      assert.match(await client.command('MAIL FROM:<a@b.example>'), /^530 5\.7\.0/)
      assert.equal(there.authenticator.logins.length, 0)
      await client.startTls()
      assert.match(await client.command('EHLO x'), /AUTH SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN/)
      assert.match(await client.command('AUTH PLAIN AGEAYg=='), /^535 5\.7\.8/)
    },
  )

  test('sessions that went over to TLS are counted out like others', async () => {
    await using there = await startServer()
    for (let i = 0; i < 3; i++) {
      const client = await greeted(there)
      await client.startTls()
      assert.equal(there.server.connections(), 1)
      if (i === 1) client.destroy()
      else assert.match(await client.command('QUIT'), /^221/)
      await client.closed()
      await eventually(() => there.server.connections() === 0, 'nobody is left')
    }
    await using implicit = await startServer('submissions')
    const client = await implicit.client()
    assert.match(await client.reply(), /^220/)
    client.destroy()
    await eventually(() => implicit.server.connections() === 0, 'nobody is left')
  })

  test('a handshake that stands still is cut, by its time or by closing, and harms nobody', async () => {
    await using there = await startServer('mx', { tlsHandshakeTimeoutMs: 60, commandTimeoutMs: 1_000 })
    const silent = await greeted(there)
    assert.match(await silent.command('STARTTLS'), /^220/)
    // The head of a TLS record, of which the rest never comes.
    silent.write(Buffer.from([22, 3, 1, 2, 0, 1, 0, 1]))
    await silent.closed()
    await eventually(() => there.server.connections() === 0, 'nobody is left')
    const another = await greeted(there)
    assert.match(await another.command('STARTTLS'), /^220/)
    await there.server.close({ drainMs: 0 })
    await another.closed()
  })

  test('garbage in place of a handshake ends the connection and nothing else', async () => {
    await using there = await startServer()
    const client = await greeted(there)
    await client.command('STARTTLS')
    client.write('MAIL FROM:<a@b.example>\r\n')
    await client.closed()
    await greeted(there)
  })
})

describe('closing', () => {
  test('idle clients are sent away, a letter on its way is finished', async () => {
    const there = await startServer()
    const idle = await greeted(there)
    const busy = await inData(there)
    const closed = there.server.close({ drainMs: 10_000 })
    assert.match(await idle.reply(), /^421 4\.3\.2/)
    busy.write('x\r\n.\r\n')
    assert.match(await busy.reply(), /^250/)
    assert.match(await busy.command('NOOP'), /^421/)
    await closed
    await eventually(() => there.server.connections() === 0, 'nobody is left')
    await assert.rejects(WireClient.connect(there.port))
  })

  test('what takes longer than it may is cut', async () => {
    const there = await startServer()
    const busy = await inData(there)
    await there.server.close({ drainMs: 20 })
    await busy.closed()
    assert.equal(there.intake.letters.length, 0)
  })

  test('a port in use is an error', async () => {
    await using there = await startServer()
    await assert.rejects(there.server.listen({ host: '127.0.0.1', port: there.port, role: 'mx' }), /EADDRINUSE/)
  })
})
