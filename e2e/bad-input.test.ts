// What a node answers to clients that break the rules: smuggled ends of data, bare line ends, lines, literals and messages too long,
// commands out of order, plain text behind STARTTLS. Each gets a clear answer, and an honest session beside it never notices.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ImapClient } from './harness/imap-client.ts'
import { LineSocket } from './harness/line-socket.ts'
import { eventually } from './harness/poll.ts'
import { Pop3Client } from './harness/pop3-client.ts'
import { Pulse } from './harness/pulse.ts'
import { type SkeinNode, ports, startNode } from './harness/skein.ts'
import { SmtpClient, type SmtpReply } from './harness/smtp-client.ts'
import { Stage, imapOf, letter, password, submissionTo } from './harness/stage.ts'

const victim = 'victim@test.com'
const honest = 'honest@test.com'
const outsider = 'someone@elsewhere.test'
const messageBytesMax = 300_000
const literalBytesMax = 400_000

/** What some servers have taken for the end of a message, and what is only part of it. RFC 5321 §4.1.1.4: only CRLF.CRLF ends it. */
const falseEnds: Record<string, string> = {
  'LF . LF': '\n.\n',
  'LF . CRLF': '\n.\r\n',
  'CRLF . LF': '\r\n.\n',
  'CR . CR': '\r.\r',
  'CR . CRLF': '\r.\r\n',
  'CRLF . CR': '\r\n.\r',
  'LF CR . CR LF': '\n\r.\r\n',
}

async function smtp(node: SkeinNode): Promise<SmtpClient> {
  const client = await SmtpClient.connect({ host: node.address, port: ports.smtp })
  await client.ehlo()
  return client
}

/** The reply to the next command, or undefined where the server has ended the connection. */
async function nextReply(client: SmtpClient, command: string): Promise<SmtpReply | undefined> {
  try {
    return await client.command(command)
  } catch {
    return undefined
  }
}

async function countOf(node: SkeinNode, user: string): Promise<number> {
  await using client = await imapOf(node, user)
  return await client.count('INBOX')
}

/** Sends one message whose text holds a false end and a second transaction behind it. */
async function smuggle(client: SmtpClient, falseEnd: string): Promise<SmtpReply> {
  await client.expect(`MAIL FROM:<${outsider}>`, 250)
  await client.expect(`RCPT TO:<${victim}>`, 250)
  await client.expect('DATA', 354)
  client.link.write(
    `Subject: outer\r\n\r\nouter text${falseEnd}MAIL FROM:<admin@test.com>\r\nRCPT TO:<${victim}>\r\nDATA\r\n` +
      'Subject: smuggled\r\n\r\nsmuggled text\r\n.\r\n',
  )
  return client.reply()
}

test('clients that break the rules', { timeout: 180_000 }, async (t) => {
  const stage = new Stage(t)
  const node = await startNode({
    name: 'strict',
    users: { [victim]: password, [honest]: password },
    settings: {
      smtp: { trusted: ['127.0.0.0/8'], 'message-bytes-max': messageBytesMax, 'recipients-max': 10 },
      imap: { 'literal-bytes-max': literalBytesMax },
    },
  })
  stage.add(node)
  const pulse = await Pulse.start(node, honest)

  for (const [name, falseEnd] of Object.entries(falseEnds)) {
    await stage.step(`end of data forged with ${name}: refused whole, nothing smuggled`, async () => {
      await using client = await smtp(node)
      const reply = await smuggle(client, falseEnd)
      assert.ok(reply.code >= 500, reply.text)
      // Had the false end been believed, the smuggled commands would have been answered before this.
      const after = await nextReply(client, 'VRFY nobody-was-smuggled')
      assert.ok(after === undefined || [250, 252, 502, 550].includes(after.code), after?.text)
      assert.equal(client.link.buffered, 0)
      assert.equal(await countOf(node, victim), 0)
    })
  }

  await stage.step('NUL before the dot is text like any other', async () => {
    await using client = await smtp(node)
    const reply = await smuggle(client, '\r\n\0.\r\n')
    const taken = reply.code === 250 ? 1 : 0
    assert.ok(taken === 1 || reply.code >= 500, reply.text)
    await client.expect('NOOP', 250)
    await eventually(async () => (await countOf(node, victim)) === taken, { what: `${taken} letter for the victim` })
  })

  await stage.step('commands out of order', async () => {
    await using client = await SmtpClient.connect({ host: node.address, port: ports.smtp })
    const early = await client.command(`MAIL FROM:<${outsider}>`)
    assert.equal(early.code, 503, early.text)
    await client.ehlo()
    await client.expect(`RCPT TO:<${victim}>`, 503)
    const data = await client.command('DATA')
    assert.ok([503, 554].includes(data.code), data.text)
    await client.expect(`MAIL FROM:<${outsider}>`, 250)
    await client.expect(`MAIL FROM:<${outsider}>`, 503)
    const empty = await client.command('DATA')
    assert.ok([503, 554].includes(empty.code), empty.text)
    const unknown = await client.command('XYZZY')
    assert.ok([500, 502].includes(unknown.code), unknown.text)
    await client.expect('RSET', 250)
    const bad = await client.command('MAIL FROM:no-brackets-and-no-address')
    assert.ok(bad.code >= 500, bad.text)
    const size = await client.command(`MAIL FROM:<${outsider}> SIZE=${messageBytesMax * 1000}`)
    assert.equal(size.code, 552, size.text)
    await client.expect('NOOP', 250)
  })

  await stage.step('too many recipients: 452 for each above the limit, the letter goes to the others', async () => {
    await using client = await smtp(node)
    await client.expect(`MAIL FROM:<${outsider}>`, 250)
    for (let number = 0; number < 10; number++) await client.expect(`RCPT TO:<victim+${number}@test.com>`, 250)
    await client.expect('RCPT TO:<victim+10@test.com>', 452)
    await client.expect('RSET', 250)
  })

  await stage.step('a message above the limit is refused with 552, and the session goes on', async () => {
    await using client = await smtp(node)
    const before = await countOf(node, victim)
    const big = letter(
      outsider,
      victim,
      'too big',
      'x'
        .repeat(70)
        .concat('\r\n')
        .repeat(messageBytesMax / 60),
    ).text
    const reply = await client.send(outsider, [victim], big)
    assert.equal(reply.code, 552, reply.text)
    const small = await client.send(outsider, [victim], letter(outsider, victim, 'small').text)
    assert.equal(small.code, 250, small.text)
    await eventually(async () => (await countOf(node, victim)) === before + 1, { what: 'only the small letter' })
  })

  await stage.step('a message line of 200,000 bytes is no command: it is taken', async () => {
    await using client = await smtp(node)
    const reply = await client.send(outsider, [victim], letter(outsider, victim, 'one line', 'y'.repeat(200_000)).text)
    assert.equal(reply.code, 250, reply.text)
  })

  await stage.step('a command line of megabytes is answered with 500 at its end, and kept by nobody', async () => {
    for (const port of [ports.smtp, ports.submission]) {
      await using client = await SmtpClient.connect({ host: node.address, port })
      await client.ehlo()
      const before = (await node.ask<{ memoryBytes: number }>('status')).memoryBytes
      const piece = Buffer.alloc(1024 * 1024, 'A')
      for (let megabyte = 0; megabyte < 300; megabyte++) await client.link.writeAll(piece)
      client.link.write('\r\n')
      const reply = await client.reply()
      assert.ok([500, 501, 421].includes(reply.code), reply.text)
      const after = (await node.ask<{ memoryBytes: number }>('status')).memoryBytes
      assert.ok(after - before < 150 * 1024 * 1024, `grew by ${Math.round((after - before) / 1024 / 1024)} MiB`)
      if (reply.code !== 421) await client.expect('NOOP', 250)
    }
  })

  await stage.step('random bytes get errors, then the door', async () => {
    await using link = await LineSocket.connect({ host: node.address, port: ports.smtp })
    await link.line()
    const noise = Buffer.from(Array.from({ length: 4_000 }, (_, index) => (index * 7919 + (index >> 3)) & 0xff))
    link.write(noise)
    link.write('\r\nQUIT\r\n')
    const answer = (await link.toTheEnd()).toString('latin1')
    assert.match(answer, /^(5\d\d|421|221)[ -]/m)
  })

  await stage.step('SMTP: what was sent behind STARTTLS in plain text is never obeyed', async () => {
    await using client = await SmtpClient.connect({ host: node.address, port: ports.submission })
    await client.ehlo()
    client.link.write(`STARTTLS\r\nEHLO injected\r\nMAIL FROM:<${victim}>\r\n`)
    const reply = await client.reply()
    if (reply.code !== 220) {
      assert.ok(reply.code >= 400, reply.text)
      return
    }
    const secured = await client.link.startTls().then(
      () => true,
      () => false,
    )
    // Ending the connection is as good an answer as forgetting the bytes.
    if (!secured) return
    const hello = await nextReply(client, 'EHLO honest.test')
    if (!hello) return
    assert.equal(hello.code, 250)
    await client.login(victim, password)
    await client.expect(`RCPT TO:<${victim}>`, 503)
  })

  await stage.step('IMAP and POP3: the same', async () => {
    const imap = await ImapClient.connect({ host: node.address, port: ports.imap })
    imap.link.write(`x1 STARTTLS\r\nx2 LOGIN "${victim}" "${password}"\r\n`)
    const line = await imap.line()
    if (/^x1 OK/i.test(line.text) && (await secured(imap.link))) {
      const early = await imap.command('SELECT INBOX').catch(() => undefined)
      if (early) {
        assert.notEqual(early.status, 'OK')
        assert.ok(!early.untagged.some(({ text }) => text.startsWith('x2')))
      }
    }
    imap.link.destroy()
    const pop3 = await Pop3Client.connect({ host: node.address, port: ports.pop3 })
    pop3.link.write(`STLS\r\nUSER ${victim}\r\n`)
    const reply = await pop3.link.line()
    if (reply.startsWith('+OK') && (await secured(pop3.link))) {
      // Without the USER that was smuggled in, PASS has nothing to go with.
      const pass = await pop3.command(`PASS ${password}`).catch(() => '-ERR closed')
      assert.match(pass, /^-ERR/)
    }
    pop3.link.destroy()
  })

  await stage.step('IMAP: commands out of order, unknown and malformed ones', async () => {
    await using client = await ImapClient.connect({ host: node.address, port: ports.imap })
    for (const command of ['SELECT INBOX', 'FETCH 1 FLAGS', 'IDLE', 'XYZZY', 'LOGIN onlyname']) {
      const { status } = await client.command(command)
      assert.ok(['NO', 'BAD'].includes(status), `${command}: ${status}`)
    }
    const wrong = await client.command(`LOGIN "${victim}" "not the password"`)
    assert.equal(wrong.status, 'NO', wrong.text)
    const stranger = await client.command('LOGIN "nobody@test.com" "not the password"')
    assert.equal(stranger.text, wrong.text, 'an unknown user is told the same')
    await client.must(`LOGIN "${victim}" "${password}"`)
    for (const command of ['FETCH 1 FLAGS', 'CLOSE', 'EXPUNGE', 'LOGIN a b', 'SELECT', 'STATUS INBOX (NOTHING)']) {
      const { status } = await client.command(command)
      assert.ok(['NO', 'BAD'].includes(status), `${command}: ${status}`)
    }
    await client.select('INBOX')
    for (const command of ['FETCH 0 FLAGS', 'FETCH 1:* (BODY[', 'STORE 1 FLAGS', 'UID', 'SEARCH BEFORE yesterday']) {
      const { status } = await client.command(command)
      assert.ok(['NO', 'BAD'].includes(status), `${command}: ${status}`)
    }
    await client.must('NOOP')
  })

  await stage.step(
    'IMAP: a literal above the limit is refused before it is sent, and the session goes on',
    async () => {
      await using client = await imapOf(node, victim)
      const { status, text } = await client.command(`APPEND INBOX {${literalBytesMax + 1}}`)
      assert.ok(['NO', 'BAD'].includes(status), text)
      const absurd = await client.command('APPEND INBOX {99999999999999999999}')
      assert.ok(['NO', 'BAD'].includes(absurd.status), absurd.text)
      await client.must('APPEND INBOX', [Buffer.from(letter(victim, victim, 'appended').text)])
    },
  )

  await stage.step('IMAP: a literal in a login is bounded; a line of megabytes is answered with an error', async () => {
    await using before = await ImapClient.connect({ host: node.address, port: ports.imap })
    const { status } = await before.command(`LOGIN {${literalBytesMax - 1}}`).catch(() => ({ status: 'BYE' }))
    assert.ok(['NO', 'BAD', 'BYE'].includes(status), status)
    for (const port of [ports.imap, ports.pop3]) {
      await using link = await LineSocket.connect({ host: node.address, port })
      await link.line()
      const piece = Buffer.alloc(1024 * 1024, 'a ')
      for (let megabyte = 0; megabyte < 8 && !link.ended; megabyte++) await link.writeAll(piece).catch(() => undefined)
      link.write('\r\n')
      assert.match(await link.line(), /(BAD|BYE|-ERR)/)
    }
  })

  await stage.step('POP3: commands out of order', async () => {
    await using client = await Pop3Client.connect({ host: node.address, port: ports.pop3 })
    for (const command of ['STAT', 'LIST', 'RETR 1', 'PASS x', 'XYZZY', '']) {
      assert.match(await client.command(command), /^-ERR/, command)
    }
    await client.must(`USER ${victim}`)
    await client.must(`PASS ${password}`)
    for (const command of ['USER a', 'RETR 0', 'RETR 99999', 'RETR x', 'TOP 1', 'DELE -1', 'UIDL 99999']) {
      assert.match(await client.command(command), /^-ERR/, command)
    }
    await client.must('NOOP')
    await client.quit()
  })

  await stage.step('a submitter may not speak for somebody else', async () => {
    await using client = await submissionTo(node, victim)
    const reply = await client.command(`MAIL FROM:<${honest}>`)
    assert.ok(reply.code >= 500, reply.text)
    await using unknown = await SmtpClient.connect({ host: node.address, port: ports.submission })
    await unknown.ehlo()
    const early = await unknown.command(`MAIL FROM:<${victim}>`)
    assert.equal(early.code, 530, early.text)
  })

  await stage.step('the honest user beside all this was served all the time', async () => {
    const { beats, longestMs, failures } = await pulse.stop()
    assert.deepEqual(failures, [])
    assert.ok(beats > 10, `${beats} beats`)
    assert.ok(longestMs < 20_000, `longest ${longestMs} ms`)
    assert.equal(await countOf(node, honest), beats)
  })
})

async function secured(link: LineSocket): Promise<boolean> {
  return link.startTls().then(
    () => true,
    () => false,
  )
}

test(
  'where bare line ends are normalised, a forged end of data is text of one letter',
  { timeout: 60_000 },
  async (t) => {
    const stage = new Stage(t)
    const node = await startNode({
      name: 'lenient',
      users: { [victim]: password },
      settings: { smtp: { trusted: ['127.0.0.0/8'], 'bare-line-ends': 'normalise' } },
    })
    stage.add(node)
    let expected = 0
    for (const [name, falseEnd] of Object.entries(falseEnds)) {
      await stage.step(name, async () => {
        await using client = await smtp(node)
        const reply = await smuggle(client, falseEnd)
        if (reply.code === 250) expected += 1
        else assert.ok(reply.code >= 500, reply.text)
        await client.expect('NOOP', 250)
        await eventually(async () => (await countOf(node, victim)) === expected, { what: `${expected} letters` })
      })
    }
    await stage.step('every line of what was kept ends in CRLF, and no letter was smuggled', async () => {
      assert.ok(expected > 0)
      await using client = await imapOf(node, victim)
      await client.select('INBOX')
      for (const body of (await client.fetchBodies('1:*')).values()) {
        const text = body.toString('latin1')
        assert.doesNotMatch(text, /(^|[^\r])\n|\r(?!\n)/)
        assert.match(text, /^Subject: outer\r$/m)
        assert.match(text, /smuggled text/)
      }
    })
  },
)
