// SMTP's extensions on a real node: letters in chunks, binary letters byte for byte into the mailbox and out to a host that takes 7 bits,
// notices as the sender asked for them, release in the future over a restart, and whose word counts for who the client is.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseDsn } from '@skein/mail'
import { loopbackAddress } from './harness/addresses.ts'
import type { ImapClient } from './harness/imap-client.ts'
import { LineSocket } from './harness/line-socket.ts'
import { eventually } from './harness/poll.ts'
import { type SkeinNode, initNode, ports } from './harness/skein.ts'
import { SmtpClient } from './harness/smtp-client.ts'
import { SmtpSink } from './harness/smtp-sink.ts'
import { Stage, imapOf, letter, password, submissionTo } from './harness/stage.ts'

const alice = 'alice@test.com'
const bob = 'bob@test.com'

/** Whole letters of an INBOX, oldest first. */
async function inbox(imap: ImapClient): Promise<Buffer[]> {
  return (await imap.select('INBOX')) === 0 ? [] : [...(await imap.fetchBodies('1:*')).values()]
}

/** What comes behind the fields that this node put on top. */
function original(bytes: Buffer, first: string): string {
  const text = bytes.toString('latin1')
  return text.slice(text.indexOf(first))
}

/** One transaction by BDAT, everything in one write. */
async function sendChunks(
  client: SmtpClient,
  from: string,
  to: string,
  bytes: Buffer,
  sizes: readonly number[],
  body = '',
) {
  const pieces: Buffer[] = [Buffer.from(`MAIL FROM:<${from}>${body}\r\nRCPT TO:<${to}>\r\n`)]
  let at = 0
  for (const size of sizes) {
    pieces.push(Buffer.from(`BDAT ${size}\r\n`), bytes.subarray(at, at + size))
    at += size
  }
  pieces.push(Buffer.from(`BDAT ${bytes.length - at} LAST\r\n`), bytes.subarray(at))
  client.link.write(Buffer.concat(pieces))
  const replies: number[] = []
  for (let left = sizes.length + 3; left > 0; left--) replies.push((await client.reply()).code)
  return replies
}

async function told(imap: ImapClient): Promise<{ said: string; text: string }[]> {
  return (await inbox(imap)).flatMap((bytes) => {
    const dsn = parseDsn(bytes)
    return (dsn?.recipients ?? []).map((it) => ({
      said: `${it.action} ${it.finalRecipient} ${it.status?.[0]} ${dsn?.originalEnvelopeId ?? '-'}`,
      text: bytes.toString('latin1'),
    }))
  })
}

test('SMTP extensions', { timeout: 240_000 }, async (t) => {
  const stage = new Stage(t)
  const proxy = await loopbackAddress()
  const stranger = await loopbackAddress()
  const sink = await SmtpSink.start({
    extensions: ['PIPELINING', 'SIZE 1000000'],
    answerRcpt: (address) =>
      address.startsWith('nobody@')
        ? '550 5.1.1 nobody of that name\r\n'
        : address.startsWith('busy@')
          ? '450 4.2.0 later\r\n'
          : undefined,
  })
  stage.cleanup(() => sink.stop())
  let node!: SkeinNode

  await stage.step('a node with two users and a way out to a host of few words', async () => {
    node = await initNode({
      name: 'ext',
      settings: {
        smtp: {
          proxy: [proxy],
          xclient: ['127.0.0.1'],
          xforward: ['127.0.0.1'],
          'solicitations-refused': ['net.example:ADV'],
        },
      },
    })
    stage.add(node)
    node.appendSettings(`\n[outside.routes]\n"*" = "${sink.route}"\n`)
    await node.start()
    await node.addUser(alice, password)
    await node.addUser(bob, password)
  })

  await stage.step('BDAT in every cut of a small letter, and a larger one in chunks of all sizes', async () => {
    await using client = await SmtpClient.connect({ host: node.address, port: ports.smtp })
    await client.ehlo()
    for (const name of ['CHUNKING', 'BINARYMIME', 'DSN', 'DELIVERBY', 'MT-PRIORITY', 'NO-SOLICITING', 'LIMITS']) {
      assert.ok(client.extensions.has(name), name)
    }
    assert.ok(!client.extensions.has('FUTURERELEASE') && !client.extensions.has('REQUIRETLS'))
    const small = Buffer.from('Subject: small\r\n\r\n.\r\nQUIT\r\n')
    for (let cut = 0; cut <= small.length; cut++) {
      const replies = await sendChunks(client, 'x@example.org', bob, small, [cut])
      assert.deepEqual(replies, [250, 250, 250, 250])
    }
    const large = Buffer.from(`Subject: large\r\n\r\n${'0123456789\r\n'.repeat(60_000)}`)
    await sendChunks(client, 'x@example.org', bob, large, [0, 1, 16, 65_536, 300_000, 0, 7])
    await using imap = await imapOf(node, bob)
    const bodies = await inbox(imap)
    assert.equal(bodies.length, small.length + 2)
    const last = bodies.pop() as Buffer
    assert.equal(original(last, 'Subject: large'), large.toString('latin1'))
    for (const bytes of bodies) assert.equal(original(bytes, 'Subject: small'), small.toString('latin1'))
  })

  await stage.step(
    'a binary letter: byte for byte by IMAP here, and converted for the host that takes 7 bits',
    async () => {
      const all = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
      const header = `From: <${alice}>\r\nMessage-ID: <bin@e2e.test>\r\nDate: Mon, 23 Nov 2026 08:00:00 +0800\r\nMIME-Version: 1.0\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n\r\n`
      const bytes = Buffer.concat([Buffer.from(header), all, Buffer.from('\r\n.\r\n\n\r'), all])
      await using client = await submissionTo(node, alice)
      assert.deepEqual(
        await sendChunks(client, alice, bob, bytes, [100, 200], ' BODY=BINARYMIME'),
        [250, 250, 250, 250, 250],
      )
      await using imap = await imapOf(node, bob)
      const got = (await inbox(imap)).at(-1) as Buffer
      assert.equal(original(got, 'From:'), bytes.toString('latin1'))
      assert.deepEqual(
        await sendChunks(client, alice, 'x@outside.test', bytes, [], ' BODY=BINARYMIME'),
        [250, 250, 250],
      )
      const sent = await eventually(() => sink.letters.find((it) => it.recipients[0] === 'x@outside.test'), {
        what: 'the letter',
      })
      const text = sent.bytes.toString('latin1')
      assert.match(text, /Content-Transfer-Encoding: base64\r\n/)
      const body = text.slice(text.indexOf('\r\n\r\n') + 4)
      assert.equal(Buffer.from(body, 'base64').toString('latin1'), bytes.subarray(header.length).toString('latin1'))
    },
  )

  await stage.step(
    'notices: success here, relayed and failed outside, delayed by its time, none where none is wanted',
    async () => {
      await using client = await submissionTo(node, alice)
      const { text } = letter(alice, bob, 'asked')
      client.link.write(
        [
          `MAIL FROM:<${alice}> RET=FULL ENVID=QQ+2B7`,
          `RCPT TO:<${bob}> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;Bob+40Big-Bucks.COM`,
          'RCPT TO:<far@outside.test> NOTIFY=SUCCESS',
          'RCPT TO:<nobody@outside.test>',
          'RCPT TO:<nobody@other.test> NOTIFY=NEVER',
          'DATA',
          '',
        ].join('\r\n'),
      )
      for (let left = 5; left > 0; left--) assert.equal((await client.reply()).code, 250)
      assert.equal((await client.reply()).code, 354)
      client.link.write(`${text}.\r\n`)
      assert.equal((await client.reply()).code, 250)
      await client.expect(`MAIL FROM:<${alice}> BY=3;N`, 250)
      await client.expect('RCPT TO:<busy@outside.test>', 250)
      await client.expect('DATA', 354)
      client.link.write(`${text}.\r\n`)
      assert.equal((await client.reply()).code, 250)
      await using imap = await imapOf(node, alice)
      const expected = [
        `delivered ${bob} 2 QQ+7`,
        'relayed far@outside.test 2 QQ+7',
        'failed nobody@outside.test 5 QQ+7',
        'delayed busy@outside.test 4 -',
      ]
      const found = await eventually(
        async () => {
          const all = await told(imap)
          return all.length >= expected.length && all
        },
        { what: 'four notices' },
      )
      assert.deepEqual(new Set(found.map(({ said }) => said)), new Set(expected))
      const failed = found.find(({ said }) => said.startsWith('failed'))?.text ?? ''
      assert.match(failed, /Content-Type: message\/rfc822[^]*Hello\./)
      assert.match(failed, /Diagnostic-Code: smtp; [^]*550 5\.1\.1/)
      assert.match(failed, /Auto-Submitted: auto-replied/)
      const success = found.find(({ said }) => said.startsWith('delivered'))?.text ?? ''
      assert.match(success, /Original-Recipient: rfc822; Bob@Big-Bucks\.COM/)
      assert.doesNotMatch(success, /Hello\./)
    },
  )

  await stage.step('release in the future: shown as such, not before, and over a SIGKILL', async () => {
    await using client = await submissionTo(node, alice)
    assert.match(client.extensions.get('FUTURERELEASE') ?? '', /^\d+ \d{4}-/)
    const before = (await inbox(await imapOf(node, bob))).length
    const { text } = letter(alice, bob, 'later')
    const started = Date.now()
    await client.expect(`MAIL FROM:<${alice}> HOLDFOR=8`, 250)
    await client.expect(`RCPT TO:<${bob}>`, 250)
    await client.expect('DATA', 354)
    client.link.write(`${text}.\r\n`)
    assert.equal((await client.reply()).code, 250)
    assert.match((await node.must(['queue', 'list'])).stdout, /scheduled .*its sender wants it sent then/)
    await node.kill9()
    await node.start()
    await using imap = await imapOf(node, bob)
    await eventually(async () => (await imap.select('INBOX')) > before, { what: 'the letter of the future' })
    assert.ok(Date.now() - started >= 8000)
    assert.equal((await imap.select('INBOX')) - before, 1)
  })

  await stage.step('PROXY and XCLIENT count from listed addresses, and from no others', async () => {
    const header = 'PROXY TCP4 203.0.113.77 127.0.0.1 4660 25\r\n'
    const link = await LineSocket.connect({ host: node.address, port: ports.smtp, from: proxy })
    link.write(header)
    assert.match(await link.line(), /^220/)
    link.write('EHLO x\r\n')
    assert.match(await link.line(), /greets \[203\.0\.113\.77\]/)
    link.destroy()
    const silent = await LineSocket.connect({ host: node.address, port: ports.smtp, from: proxy })
    silent.write('EHLO x\r\n')
    await assert.rejects(silent.line())
    await using other = await SmtpClient.connect({ host: node.address, port: ports.smtp, from: stranger })
    assert.equal((await other.command(header.trim())).code, 500)
    assert.equal((await other.command('XCLIENT ADDR=203.0.113.77')).code, 502)
    await using trusted = await SmtpClient.connect({ host: node.address, port: ports.smtp, from: '127.0.0.1' })
    await trusted.ehlo()
    await trusted.expect('XCLIENT NAME=there.example ADDR=127.0.0.9', 220)
    assert.match((await trusted.command('EHLO there.example')).text, /greets \[127\.0\.0\.9\]/)
    assert.equal((await trusted.send('x@example.org', [bob], letter('x@example.org', bob, 'proxied').text)).code, 250)
    await using imap = await imapOf(node, bob)
    assert.match(
      (await inbox(imap)).at(-1)?.toString() ?? '',
      /Received: from there\.example \(there\.example \[127\.0\.0\.9\]\)/,
    )
  })
})
