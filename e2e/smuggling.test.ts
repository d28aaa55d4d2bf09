// SMTP smuggling, both ways. In: of every way of writing an end of data only CR LF . CR LF is one, at every door, however the bytes
// are cut. Out: what this node sends to the laxest of receivers, which takes anything for an end, arrives as exactly one letter.
import assert from 'node:assert/strict'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { test } from 'node:test'
import { eventually } from './harness/poll.ts'
import { type SkeinNode, ports, startNode } from './harness/skein.ts'
import { SmtpClient } from './harness/smtp-client.ts'
import { SmtpSink } from './harness/smtp-sink.ts'
import { Stage, imapOf, password, submissionTo } from './harness/stage.ts'

const victim = 'victim@own.test'
const lmtpPort = 10_024

const before = ['', '\n', '\r', '\r\n', '\n\r', '\r\r\n', '\r\n\0', '\r\0\n', '\0\r\n', '\v', '\u0085']
const dots = ['.', '.\0', '\0.', '\0.\0', '\u3002']
const after = ['\n', '\r', '\r\n', '\n\r', '\r\r\n', '\0\r\n', '\r\0\n', '\r\n\0']

/** Every combination that is not the one true end. RFC 5321 §4.1.1.4 */
const falseEnds = before
  .flatMap((head) => dots.flatMap((dot) => after.map((tail) => `${head}${dot}${tail}`)))
  .filter((text) => !text.includes('\r\n.\r\n'))

/** Those that real servers have fallen for. */
const famous = ['\n.\n', '\n.\r\n', '\r\n.\n', '\r.\r', '\r.\r\n', '\r\n.\r', '\n.\r', '\r\n\0.\r\n', '\r\n.\0\r\n']

/** Smuggled behind a false end: a whole transaction of its own. */
const smuggled = `MAIL FROM:<admin@own.test>\r\nRCPT TO:<${victim}>\r\nDATA\r\nSubject: smuggled\r\n\r\nsmuggled text`

function outer(falseEnd: string, behind = smuggled): string {
  return `Subject: outer\r\n\r\nouter text${falseEnd}${behind}\r\n.\r\n`
}

interface Door {
  name: string
  open(node: SkeinNode): Promise<SmtpClient>
}

const doors: Door[] = [
  {
    name: 'port 25',
    async open(node) {
      const client = await SmtpClient.connect({ host: node.address, port: ports.smtp })
      await client.ehlo()
      return client
    },
  },
  {
    name: 'port 25 under TLS',
    async open(node) {
      const client = await SmtpClient.connect({ host: node.address, port: ports.smtp })
      await client.ehlo()
      await client.startTls()
      return client
    },
  },
  { name: 'submission', open: (node) => submissionTo(node, victim) },
  {
    name: 'LMTP',
    async open(node) {
      const client = await SmtpClient.connect({ host: node.address, port: lmtpPort })
      await client.expect('LHLO client.test', 250)
      return client
    },
  },
]

async function begin(client: SmtpClient, from: string, to: string): Promise<void> {
  await client.expect(`MAIL FROM:<${from}>`, 250)
  await client.expect(`RCPT TO:<${to}>`, 250)
  await client.expect('DATA', 354)
}

async function inboxOf(node: SkeinNode): Promise<Buffer[]> {
  await using client = await imapOf(node, victim)
  if ((await client.count('INBOX')) === 0) return []
  await client.select('INBOX')
  return [...(await client.fetchBodies('1:*')).values()]
}

test(`smuggling in: ${falseEnds.length} false ends of data`, { timeout: 120_000 }, async (t) => {
  const stage = new Stage(t)
  const node = await startNode({
    name: 'strict',
    domains: ['own.test'],
    users: { [victim]: password },
    settings: { smtp: { trusted: ['127.0.0.0/8'] }, listen: { lmtp: lmtpPort } },
  })
  stage.add(node)
  let taken = 0

  async function attempt(client: SmtpClient, falseEnd: string, write: (text: Buffer) => Promise<void>): Promise<void> {
    const shown = JSON.stringify(falseEnd)
    await begin(client, victim, victim)
    await write(Buffer.from(outer(falseEnd), falseEnd.includes('\u3002') ? 'utf8' : 'latin1'))
    const reply = await client.reply()
    assert.ok(reply.code === 250 || reply.code >= 500, `${shown}: ${reply.text}`)
    const hasBareLineEnd = /\r(?!\n)|(?<!\r)\n/.test(falseEnd)
    if (hasBareLineEnd) assert.match(reply.text, /^550 5\.6\.0 /, shown)
    if (reply.code === 250) taken += 1
    // Had the false end been believed, the smuggled commands would have been answered before this.
    const noop = await client.command('NOOP')
    assert.match(noop.text, /^250 2\.0\.0 /, shown)
    assert.equal(client.link.buffered, 0, shown)
  }

  for (const door of doors) {
    await stage.independent(`${door.name}: none ends a letter`, async () => {
      await using client = await door.open(node)
      for (const falseEnd of falseEnds) await attempt(client, falseEnd, (text) => client.link.writeAll(text))
    })

    await stage.independent(`${door.name}: nor in pieces of one byte; the true end does in any pieces`, async () => {
      await using client = await door.open(node)
      for (const falseEnd of famous) {
        await attempt(client, falseEnd, async (text) => {
          const from = text.indexOf('outer text')
          const to = text.indexOf('MAIL FROM')
          await client.link.writeAll(text.subarray(0, from))
          for (let at = from; at < to; at++) {
            await client.link.writeAll(text.subarray(at, at + 1))
            await nextTurn()
          }
          await client.link.writeAll(text.subarray(to))
        })
      }
      const end = 'Subject: cut\r\n\r\ntext\r\n.\r\n'
      for (let cut = end.length - 6; cut < end.length; cut++) {
        await begin(client, victim, victim)
        await client.link.writeAll(end.slice(0, cut))
        await nextTurn()
        await client.link.writeAll(end.slice(cut))
        assert.equal((await client.reply()).code, 250)
        taken += 1
      }
    })
  }

  await stage.independent('no letter in the mailbox is a smuggled one, and none is missing', async () => {
    await eventually(async () => (await inboxOf(node)).length === taken, { what: `${taken} letters` })
    assert.ok(taken > 0)
    for (const bytes of await inboxOf(node)) {
      const text = bytes.toString('latin1')
      assert.match(text, /^Subject: (outer|cut)\r$/m)
      assert.doesNotMatch(text.slice(0, text.indexOf('\r\n\r\n')), /smuggled/)
      assert.doesNotMatch(text, /\r(?!\n)|(?<!\r)\n/)
    }
  })
})

/** What is behind a false end when it leaves: to a lax receiver these would be commands. */
const outward = `MAIL FROM:<admin@own.test>\r\nRCPT TO:<far@outside.test>\r\nDATA\r\nSubject: smuggled\r\n\r\nsmuggled text`

test('smuggling out: the laxest receiver gets one letter for each', { timeout: 120_000 }, async (t) => {
  const stage = new Stage(t)
  const lax = await SmtpSink.start({ reading: 'lax' })
  stage.cleanup(() => lax.stop())
  const node = await startNode({
    name: 'sender',
    domains: ['own.test'],
    users: { [victim]: password },
    // With bare line ends taken, the letters that are most dangerous to others get in at all.
    settings: { smtp: { trusted: ['127.0.0.0/8'], 'bare-line-ends': 'normalise' } },
  })
  stage.add(node)
  node.appendSettings(`\n[outside.routes]\n"*" = "${lax.route}"\n`)
  await node.restart()
  await node.must(['alias', 'add', 'forward@own.test', 'far@outside.test'])
  let expected = 0

  async function allArrived(): Promise<void> {
    await eventually(() => lax.letters.length >= expected, {
      what: () => `${expected} letters at the receiver, there are ${lax.letters.length}`,
    })
    await eventually(async () => (await node.json<unknown[]>(['queue', 'list'])).length === 0, {
      what: 'an empty queue',
    })
    assert.equal(lax.letters.length, expected)
    for (const { from, bytes } of lax.letters) {
      assert.notEqual(from, 'admin@own.test')
      assert.match(bytes.toString('latin1'), /^Subject: outer\r$/m)
    }
    for (const command of lax.commands) assert.match(command, /^(EHLO|MAIL|RCPT|DATA|RSET|QUIT|NOOP)\b/)
    assert.ok(!lax.commands.some((command) => command.includes('admin@own.test')))
  }

  await stage.independent('submitted letters with every false end', async () => {
    await using client = await submissionTo(node, victim)
    for (const falseEnd of falseEnds) {
      await begin(client, victim, 'far@outside.test')
      await client.link.writeAll(Buffer.from(outer(falseEnd, outward), falseEnd.includes('\u3002') ? 'utf8' : 'latin1'))
      const reply = await client.reply()
      if (reply.code === 250) expected += 1
      else assert.match(reply.text, /^5\d\d /)
      await client.expect('NOOP', 250)
    }
    assert.ok(expected > falseEnds.length / 2, `${expected} taken`)
    await allArrived()
  })

  await stage.independent('letters of strangers that an alias sends on', async () => {
    await using client = await SmtpClient.connect({ host: node.address, port: ports.smtp })
    await client.ehlo()
    for (const falseEnd of famous) {
      await begin(client, 'stranger@third.test', 'forward@own.test')
      await client.link.writeAll(Buffer.from(outer(falseEnd, outward), 'latin1'))
      const reply = await client.reply()
      if (reply.code === 250) expected += 1
      else assert.match(reply.text, /^5\d\d /)
      await client.expect('NOOP', 250)
    }
    await allArrived()
  })

  await stage.independent('letters given in chunks, which have no end of data to forge', async () => {
    await using client = await submissionTo(node, victim)
    if (!client.extensions.has('CHUNKING')) return
    for (const falseEnd of falseEnds) {
      const letter = Buffer.from(`Subject: outer\r\n\r\nouter text${falseEnd}${outward}\r\n`, 'latin1')
      await client.expect(`MAIL FROM:<${victim}>`, 250)
      await client.expect('RCPT TO:<far@outside.test>', 250)
      // Cut in the middle of the false end.
      const cut = letter.indexOf('outer text') + 'outer text'.length + Math.ceil(falseEnd.length / 2)
      client.link.write(Buffer.concat([Buffer.from(`BDAT ${cut}\r\n`), letter.subarray(0, cut)]))
      const first = await client.reply()
      const rest = letter.subarray(cut)
      client.link.write(Buffer.concat([Buffer.from(`BDAT ${rest.length} LAST\r\n`), rest]))
      const last = await client.reply()
      if (first.code === 250 && last.code === 250) expected += 1
      else assert.ok(first.code >= 500 || last.code >= 500, `${JSON.stringify(falseEnd)}: ${first.text}, ${last.text}`)
      await client.expect('RSET', 250)
    }
    await allArrived()
  })
})
