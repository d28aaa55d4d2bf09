// Byte-exact: every message of the corpus goes in by SMTP (where SMTP can carry it) and by IMAP APPEND, and comes back through IMAP
// and POP3 as it was, apart from trace headers added on top.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { type CorpusMessage, corpus } from '@skein/mail/test/corpus'
import type { ImapClient } from './harness/imap-client.ts'
import { eventually } from './harness/poll.ts'
import { Pop3Client } from './harness/pop3-client.ts'
import { type SkeinNode, ports, startNode } from './harness/skein.ts'
import { SmtpClient } from './harness/smtp-client.ts'
import { Stage, imapOf, password } from './harness/stage.ts'

const bySmtp = 'smtp@test.com'
const byAppend = 'append@test.com'
const crlf = Buffer.from('\r\n')

/** Fields that a node may put on top: RFC 5321 §4.4, RFC 8601. */
const traceFields =
  /^(?:(?:Received|Return-Path|Delivered-To|Authentication-Results|Received-SPF):[^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*)*$/i

function hash(bytes: Uint8Array): string {
  return `${bytes.length} bytes, sha256 ${createHash('sha256').update(bytes).digest('hex').slice(0, 16)}`
}

function withFinalLineEnd(bytes: Uint8Array): Buffer {
  const whole = Buffer.from(bytes)
  return whole.length === 0 || whole.subarray(-2).equals(crlf) ? whole : Buffer.concat([whole, crlf])
}

/** That `stored` is trace fields and then exactly `original`. */
function assertSame(name: string, stored: Buffer, original: Buffer): void {
  const top = stored.subarray(0, Math.max(0, stored.length - original.length))
  const rest = stored.subarray(top.length)
  assert.ok(rest.equals(original), `${name}: got ${hash(rest)}, sent ${hash(original)}`)
  assert.match(top.toString('latin1'), traceFields, name)
}

async function fetchOne(client: ImapClient, number: number): Promise<Buffer> {
  const bodies = await client.fetchBodies(`${number}`)
  const body = [...bodies.values()][0]
  assert.ok(body, `message ${number} was not fetched`)
  return body
}

/** What listing clients ask for must be answered for every message, whatever it looks like. */
async function describe(client: ImapClient, number: number, name: string): Promise<void> {
  const { untagged } = await client.must(`FETCH ${number} (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)`)
  const line = untagged.find(({ text }) => text.startsWith(`* ${number} FETCH`))
  assert.match(line?.text ?? '', /ENVELOPE \(.*BODYSTRUCTURE \(/s, name)
}

test('the corpus comes back byte for byte', { timeout: 400_000 }, async (t) => {
  const stage = new Stage(t)
  const everything: CorpusMessage[] = [...corpus()]
  // RFC 3502 §6.3.11: a literal of no bytes says that the APPEND is given up.
  const messages = everything.filter(({ bytes }) => bytes.length > 0)
  const sendable = everything.filter((message) => !message.bareLineEnds)
  let node: SkeinNode

  await stage.step(
    `at least 200 messages (${everything.length}), most of them fit for SMTP (${sendable.length})`,
    async () => {
      assert.ok(messages.length >= 200)
      assert.equal(new Set(everything.map(({ name }) => name)).size, everything.length, 'names are unique')
      node = await startNode({
        name: 'exact',
        users: { [bySmtp]: password, [byAppend]: password },
        settings: { smtp: { trusted: ['127.0.0.0/8'] } },
      })
      stage.add(node)
    },
  )

  await stage.step('sent by SMTP', async () => {
    await using client = await SmtpClient.connect({ host: node.address, port: ports.smtp })
    await client.ehlo()
    await using reader = await imapOf(node, bySmtp)
    for (const [index, { name, bytes }] of sendable.entries()) {
      const reply = await client.send('someone@elsewhere.test', [bySmtp], bytes)
      assert.equal(reply.code, 250, `${name}: ${reply.text}`)
      // One by one, so that the mailbox has them in the corpus's order.
      await eventually(async () => (await reader.count('INBOX')) === index + 1, { what: name, everyMs: 2 })
    }
  })

  await stage.step('appended by IMAP', async () => {
    await using client = await imapOf(node, byAppend)
    for (const { name, bytes } of messages) {
      const { status, text } = await client.command('APPEND INBOX', [bytes], 60_000)
      assert.equal(status, 'OK', `${name}: ${text}`)
    }
  })

  await stage.step('read by IMAP: what SMTP brought', async () => {
    await using client = await imapOf(node, bySmtp)
    assert.equal(await client.select('INBOX'), sendable.length)
    for (const [index, { name, bytes }] of sendable.entries()) {
      assertSame(name, await fetchOne(client, index + 1), withFinalLineEnd(bytes))
      await describe(client, index + 1, name)
    }
  })

  await stage.step('read by IMAP: what was appended, whole and in parts', async () => {
    await using client = await imapOf(node, byAppend)
    assert.equal(await client.select('INBOX'), messages.length)
    for (const [index, { name, bytes }] of messages.entries()) {
      const original = Buffer.from(bytes)
      const whole = await fetchOne(client, index + 1)
      assert.ok(whole.equals(original), `${name}: got ${hash(whole)}, appended ${hash(original)}`)
      await describe(client, index + 1, name)
      const from = Math.floor(original.length / 3)
      const part = await client.fetchBodies(`${index + 1}`, `BODY.PEEK[]<${from}.1000>`)
      const got = [...part.values()][0] ?? Buffer.alloc(0)
      assert.ok(got.equals(original.subarray(from, from + 1000)), `${name}: part from ${from}: ${hash(got)}`)
    }
  })

  await stage.step('read by POP3: both', async () => {
    for (const [user, list] of [
      [bySmtp, sendable],
      [byAppend, messages],
    ] as const) {
      await using client = await Pop3Client.login({ host: node.address, port: ports.pop3 }, user, password)
      assert.equal(await client.count(), list.length)
      for (const [index, { name, bytes }] of list.entries()) {
        const stored = await client.multiLine(`RETR ${index + 1}`)
        const original = withFinalLineEnd(bytes)
        if (user === bySmtp) assertSame(name, stored, original)
        else assert.ok(stored.equals(original), `${name}: got ${hash(stored)}, appended ${hash(original)}`)
      }
    }
  })

  await stage.step('and still so after SIGKILL and another start', async () => {
    await node.kill9()
    await node.start()
    await using client = await imapOf(node, byAppend)
    await client.select('INBOX')
    for (const [index, { name, bytes }] of messages.entries()) {
      if (index % 7 !== 0) continue
      assert.ok((await fetchOne(client, index + 1)).equals(Buffer.from(bytes)), name)
    }
    const { problems } = await node.json<{ problems: unknown[] }>(['check'], { timeoutMs: 120_000 })
    assert.deepEqual(problems, [])
  })
})
