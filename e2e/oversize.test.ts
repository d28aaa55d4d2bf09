// Too much of everything: each bound answers with the code that its limit documents, the session goes on where it can, an honest
// user beside it is served, and the node is none the worse. What is within the bounds and merely monstrous is kept and can be read.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually } from './harness/poll.ts'
import { Pulse } from './harness/pulse.ts'
import { ports, startNode } from './harness/skein.ts'
import { SmtpClient, dotStuffed } from './harness/smtp-client.ts'
import { Stage, imapOf, letter, password, submissionTo } from './harness/stage.ts'

const anna = 'anna@own.test'
const honest = 'honest@own.test'
const stranger = 'stranger@third.test'
const messageBytesMax = 4_000_000
const recipientsMax = 20
/** A letter may cost the node so much while it is taken and read, above what it held before. */
const growthMaxBytes = 250 * 1024 * 1024

const x = (count: number) => 'x'.repeat(count)

/** One command each, after EHLO (and MAIL, for RCPT). */
const commands: [name: string, line: string, answer: RegExp][] = [
  ['a line of 12,289 octets', `NOOP ${x(12_284)}`, /^500 5\.5\.2 /],
  ['a line of a megabyte', `NOOP ${x(1_000_000)}`, /^500 5\.5\.2 /],
  ['EHLO with a name of 300', `EHLO ${x(300)}`, /^501 syntax/],
  ['MAIL with a path of 260', `MAIL FROM:<${x(250)}@third.test>`, /^501 5\.1\.7 /],
  ['RCPT with a path of 260', `RCPT TO:<${x(250)}@own.test>`, /^501 5\.1\.3 /],
  ['RCPT with a route of 10,000', `RCPT TO:<@${x(10_000)}.test:anna@own.test>`, /^501 5\.1\.3 |^250 2\.1\.5 /],
  ['SIZE one above the limit', `MAIL FROM:<> SIZE=${messageBytesMax + 1}`, /^552 5\.3\.4 /],
  ['SIZE of twenty digits', `MAIL FROM:<> SIZE=${'9'.repeat(20)}`, /^552 5\.3\.4 /],
  ['SIZE of a hundred digits', `MAIL FROM:<> SIZE=${'9'.repeat(100)}`, /^501 5\.5\.4 /],
  ['ENVID of 101', `MAIL FROM:<> ENVID=${x(101)}`, /^501 5\.5\.4 /],
  ['ORCPT of 600', `RCPT TO:<anna@own.test> ORCPT=rfc822;${x(600)}`, /^501 5\.5\.4 /],
  [
    'a thousand parameters',
    `MAIL FROM:<>${Array.from({ length: 1000 }, (_, i) => ` P${i}=1`).join('')}`,
    /^555 5\.5\.4 /,
  ],
  ['one parameter of 11,000', `MAIL FROM:<> ${x(11_000)}=1`, /^555 5\.5\.4 /],
  ['a value of 11,000', `MAIL FROM:<> BODY=${x(11_000)}`, /^501 5\.5\.4 /],
  ['NOTIFY a thousand times', `RCPT TO:<anna@own.test> NOTIFY=${'SUCCESS,'.repeat(1000)}NEVER`, /^501 5\.5\.4 /],
  ['VRFY of 12,000', `VRFY ${x(12_000)}`, /^252 2\.1\.5 /],
  ['BDAT of sixteen digits', `BDAT ${'9'.repeat(16)} LAST`, /^501 5\.5\.4 /],
]

function nestedParts(depth: number): string {
  const open = Array.from(
    { length: depth },
    (_, i) => `Content-Type: multipart/mixed; boundary=b${i}\r\n\r\n--b${i}\r\n`,
  )
  const close = Array.from({ length: depth }, (_, i) => `\r\n--b${depth - 1 - i}--`)
  return `${open.join('')}Content-Type: text/plain\r\n\r\nthe bottom${close.join('')}\r\n`
}

const nestedLetters = (depth: number) =>
  `${'Content-Type: message/rfc822\r\n\r\n'.repeat(depth)}Content-Type: text/plain\r\n\r\nthe bottom\r\n`

/** Header end and body of a letter that is a monster and within the limit of bytes. */
const monsters: Record<string, string> = {
  'multiparts 3,000 deep': nestedParts(3_000),
  'letters in letters 5,000 deep': nestedLetters(5_000),
  '100,000 parts': `Content-Type: multipart/mixed; boundary=b\r\n\r\n${'--b\r\n\r\nx\r\n'.repeat(100_000)}--b--\r\n`,
  '100,000 boundaries that end nothing': `Content-Type: multipart/mixed; boundary=b\r\n\r\n${'--b \t-\r\n'.repeat(100_000)}`,
  'a boundary of 60,000': `Content-Type: multipart/mixed; boundary="${x(60_000)}"\r\n\r\n--${x(60_000)}\r\n\r\nx\r\n--${x(60_000)}--\r\n`,
  '20,000 addresses': `Cc: ${Array.from({ length: 20_000 }, (_, i) => `a${i}@b.test`).join(',\r\n ')}\r\n\r\nx\r\n`,
  'comments 100,000 deep': `Cc: ${'('.repeat(100_000)}a@b.test${')'.repeat(100_000)}\r\n\r\nx\r\n`,
  'groups and routes without end': `Cc: ${'g:'.repeat(50_000)}<${'@a,'.repeat(50_000)}:b@c>\r\n\r\nx\r\n`,
  '20,000 parameters': `Content-Type: text/plain;${Array.from({ length: 20_000 }, (_, i) => `\r\n p*${i}*=utf-8''%41`).join(';')}\r\n\r\nx\r\n`,
  '20,000 references': `References: ${Array.from({ length: 20_000 }, (_, i) => `<${i}@b.test>`).join('\r\n ')}\r\n\r\nx\r\n`,
  'a subject of 500,000 in encoded words': `Subject: ${Array.from({ length: 10_000 }, () => '=?utf-8?B?6bq7?=').join('\r\n ')}\r\n\r\nx\r\n`,
  'a line of three million': `\r\n${x(3_000_000)}\r\n`,
  'half a million empty lines': `\r\n${'\r\n'.repeat(500_000)}`,
  'base64 of three million without a line end': `Content-Transfer-Encoding: base64\r\n\r\n${'QUFB'.repeat(750_000)}\r\n`,
}

test('too much of everything', { timeout: 180_000 }, async (t) => {
  const stage = new Stage(t)
  const node = await startNode({
    name: 'bounded',
    domains: ['own.test'],
    users: { [anna]: password, [honest]: password },
    settings: {
      smtp: { trusted: ['127.0.0.0/8'], 'message-bytes-max': messageBytesMax, 'recipients-max': recipientsMax },
    },
  })
  stage.add(node)
  const pulse = await Pulse.start(node, honest)
  const memory = async () => (await node.ask<{ memoryBytes: number }>('status')).memoryBytes
  const before = await memory()

  async function mx(): Promise<SmtpClient> {
    const client = await SmtpClient.connect({ host: node.address, port: ports.smtp })
    await client.ehlo()
    return client
  }

  for (const [name, line, answer] of commands) {
    await stage.independent(`${name}: ${answer.source}`, async () => {
      await using client = await mx()
      if (line.startsWith('RCPT')) await client.expect('MAIL FROM:<>', 250)
      const reply = await client.command(line)
      assert.match(reply.text, answer)
      if (!line.startsWith('BDAT')) await client.expect('NOOP', 250)
    })
  }

  await stage.independent('recipients above the limit: 452 4.5.3 each, those below get the letter', async () => {
    await using client = await mx()
    await client.expect(`MAIL FROM:<${stranger}>`, 250)
    for (let i = 0; i < recipientsMax; i++) await client.expect(`RCPT TO:<anna+${i}@own.test>`, 250)
    for (let i = 0; i < 100; i++)
      assert.match((await client.command(`RCPT TO:<anna+x${i}@own.test>`)).text, /^452 4\.5\.3 /)
    await client.expect('DATA', 354)
    assert.equal((await client.command('Subject: many\r\n\r\n.')).code, 250)
  })

  await stage.independent(
    'a letter above the limit: 552 5.3.4, by DATA and in chunks, and the next is taken',
    async () => {
      await using client = await mx()
      const big = `Subject: big\r\n\r\n${`${x(998)}\r\n`.repeat(messageBytesMax / 1000 + 10)}`
      assert.match((await client.send(stranger, [anna], big)).text, /^552 5\.3\.4 /)
      await client.expect(`MAIL FROM:<${stranger}>`, 250)
      await client.expect(`RCPT TO:<${anna}>`, 250)
      const chunk = big.slice(0, messageBytesMax / 2 + 1000)
      client.link.write(`BDAT ${chunk.length}\r\n${chunk}`)
      assert.match((await client.reply()).text, /^250 /)
      client.link.write(`BDAT ${chunk.length} LAST\r\n${chunk}`)
      assert.match((await client.reply()).text, /^552 5\.3\.4 /)
      await client.expect('RSET', 250)
      assert.equal((await client.send(stranger, [anna], letter(stranger, anna, 'small').text)).code, 250)
    },
  )

  await stage.independent('a chunk announced above the limit is refused, and its bytes are no commands', async () => {
    await using client = await mx()
    await client.expect(`MAIL FROM:<${stranger}>`, 250)
    await client.expect(`RCPT TO:<${anna}>`, 250)
    const inside = `MAIL FROM:<evil@evil.test>\r\nRCPT TO:<${anna}>\r\nDATA\r\n`
    const chunk = inside.repeat(Math.ceil((messageBytesMax + 1000) / inside.length))
    client.link.write(`BDAT ${chunk.length} LAST\r\n${chunk}`)
    assert.match((await client.reply()).text, /^552 5\.3\.4 /)
    await client.expect('NOOP', 250)
    assert.equal(client.link.buffered, 0)
  })

  await stage.independent('a header without end is refused with 552 5.3.4', async () => {
    await using client = await mx()
    const reply = await client.send(stranger, [anna], `X-Long: y\r\n`.repeat(messageBytesMax / 12))
    assert.match(reply.text, /^552 5\.3\.4 /)
    await client.expect('NOOP', 250)
  })

  await stage.independent('a letter that has been everywhere: 554 5.4.6', async () => {
    await using client = await mx()
    const hop = 'Received: from a.test by b.test; Mon, 30 Nov 2026 08:00:00 +0000\r\n'
    const reply = await client.send(stranger, [anna], `${hop.repeat(200)}Subject: round and round\r\n\r\nx\r\n`)
    assert.match(reply.text, /^554 5\.4\.6 /)
  })

  await stage.independent('wrong commands without end: 421 after twenty, log-ins too long are no log-ins', async () => {
    await using client = await mx()
    client.link.write('WRONG\r\n'.repeat(500))
    const answers = (await client.link.toTheEnd()).toString().split('\r\n')
    assert.equal(answers.filter((line) => line.startsWith('500 ')).length, 20)
    assert.match(answers.at(-2) ?? '', /^421 4\.7\.0 /)
    await using login = await SmtpClient.connect({ host: node.address, port: ports.submission })
    await login.ehlo()
    const secret = Buffer.from(`\0${anna}\0${x(8_000)}`).toString('base64')
    assert.match((await login.command(`AUTH PLAIN ${secret}`)).text, /^(?:535 5\.7\.8|501 5\.5\.2|500 5\.5\.2) /)
    assert.match((await login.command(`AUTH PLAIN ${x(13_000)}`)).text, /^500 5\.5\.2 /)
    await login.login(anna, password)
  })

  for (const [name, monster] of Object.entries(monsters)) {
    await stage.independent(`${name}: kept and readable, or refused`, async () => {
      await using client = await mx()
      await client.expect(`MAIL FROM:<${stranger}>`, 250)
      await client.expect(`RCPT TO:<${anna}>`, 250)
      await client.expect('DATA', 354)
      const bytes = Buffer.from(`From: <${stranger}>\r\nX-Monster: ${name.length}-${monster.length}\r\n${monster}`)
      await client.link.writeAll(dotStuffed(bytes))
      const started = performance.now()
      const reply = await client.reply()
      assert.match(reply.text, /^(?:250 2\.0\.0|552 5\.3\.4|550 5\.6\.0) /)
      if (reply.code === 250) {
        await using inbox = await imapOf(node, anna)
        const uid = await eventually(
          async () => {
            await inbox.select('INBOX')
            const { untagged } = await inbox.must(`UID SEARCH HEADER X-Monster "${name.length}-${monster.length}"`)
            return /^\* SEARCH (\d+)/m.exec(untagged.map(({ text }) => text).join('\n'))?.[1]
          },
          { what: 'the letter in the mailbox' },
        )
        await inbox.must(`UID FETCH ${uid} (ENVELOPE BODYSTRUCTURE BODY.PEEK[1] RFC822.SIZE)`)
        const [whole] = (await inbox.fetchBodies(uid)).values()
        assert.ok(whole?.subarray(-bytes.length).equals(bytes), 'what is read back is what was sent')
      }
      assert.ok(performance.now() - started < 15_000, `${Math.round(performance.now() - started)} ms`)
      assert.ok(
        (await memory()) - before < growthMaxBytes,
        `grew by ${Math.round(((await memory()) - before) / 1024 / 1024)} MiB`,
      )
    })
  }

  await stage.independent('IMAP: nesting and lists without end are answered', async () => {
    await using client = await imapOf(node, anna)
    await client.select('INBOX')
    for (const command of [
      `SEARCH ${'('.repeat(20_000)}ALL${')'.repeat(20_000)}`,
      `SEARCH ${'NOT '.repeat(10_000)}ALL`,
      `SEARCH ${'OR ALL '.repeat(10_000)}ALL`,
      `FETCH 1 (${'FLAGS '.repeat(10_000)}UID)`,
      `FETCH ${Array.from({ length: 20_000 }, (_, i) => i + 1).join(',')} UID`,
      `FETCH 1 BODY.PEEK[${'1.'.repeat(10_000)}1]`,
      `FETCH 1 BODY.PEEK[HEADER.FIELDS (${'a '.repeat(10_000)}b)]`,
      `LIST "" "${'*%'.repeat(5_000)}"`,
      `CREATE "${'a/'.repeat(5_000)}b"`,
      `STORE 1 +FLAGS (${Array.from({ length: 10_000 }, (_, i) => `f${i}`).join(' ')})`,
    ]) {
      const started = performance.now()
      const { status } = await client.command(command, [], 20_000)
      assert.match(status, /^(?:OK|NO|BAD)$/)
      assert.ok(performance.now() - started < 10_000, `${command.slice(0, 30)} took ${performance.now() - started} ms`)
    }
    await client.must('NOOP')
  })

  await stage.independent('and the node is as it was: the honest user was served all the time', async () => {
    const { beats, longestMs, failures } = await pulse.stop()
    assert.deepEqual(failures, [])
    assert.ok(beats > 10, `${beats} beats`)
    assert.ok(longestMs < 20_000, `longest ${longestMs} ms`)
    await using client = await submissionTo(node, anna)
    assert.equal((await client.send(anna, [honest], letter(anna, honest, 'after all').text)).code, 250)
  })
})
