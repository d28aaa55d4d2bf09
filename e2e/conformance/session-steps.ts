// What the scripted sessions may do beside speaking IMAP: fill mailboxes, deliver, pop, restart the node, compare what was captured.
import assert from 'node:assert/strict'
import type { TranscriptContext } from '@skein/testkit'
import { fillMailbox } from '../harness/fill.ts'
import { ImapClient } from '../harness/imap-client.ts'
import { Pop3Client } from '../harness/pop3-client.ts'
import { type SkeinNode, ports } from '../harness/skein.ts'
import { SmtpClient } from '../harness/smtp-client.ts'

export interface SessionPlace {
  home: SkeinNode
  /** What the scripted connections talk to. */
  node: SkeinNode
  user: string
  password: string
}

type Step = (context: TranscriptContext, ...args: string[]) => Promise<void> | void

async function converse(context: TranscriptContext, name: string, command: string): Promise<void> {
  const reader = await context.connection(name)
  const tag = command.split(' ')[0] as string
  reader.write(Buffer.from(`${command}\r\n`))
  for (;;) {
    const line = await reader.line()
    if (line.startsWith(`${tag} OK`)) return
    if (line.startsWith(`${tag} `)) throw new Error(`${command}: ${line}`)
  }
}

/** The same each time, so that sizes can be written into a script: 197 bytes with a one-digit number. */
function numberedLetter(number: number): string {
  return [
    `Date: Thu, ${number % 28 < 9 ? '0' : ''}${(number % 28) + 1} Jan 2026 12:00:00 +0000`,
    'From: Wang <wang@test.com>',
    'To: li@test.com',
    `Subject: Letter ${number}`,
    `Message-ID: <${number}@conformance.test>`,
    'Content-Type: text/plain',
    '',
    `Body ${number}`,
    '',
  ].join('\r\n')
}

const comparisons: Record<string, (left: number, right: number) => boolean> = {
  '<': (left, right) => left < right,
  '<=': (left, right) => left <= right,
  '=': (left, right) => left === right,
}

export function sessionSteps(place: SessionPlace): Record<string, Step> {
  const { home, node, user, password } = place
  const imap = () => ImapClient.login({ host: node.address, port: ports.imap }, user, password)
  return {
    /** `@login C`: connects and logs in. */
    async login(context, name = 'C') {
      assert.match(await (await context.connection(name)).line(), /^\* OK /)
      await converse(context, name, `login LOGIN ${user} ${password}`)
    },
    /** `@select C MAILBOX [what follows]`: connects, logs in and selects. */
    async select(context, name = 'C', mailbox = 'INBOX', ...more) {
      assert.match(await (await context.connection(name)).line(), /^\* OK /)
      await converse(context, name, `login LOGIN ${user} ${password}`)
      await converse(context, name, ['select SELECT', mailbox, ...more].join(' '))
    },
    /** `@quietly C COMMAND`: what is answered is of no interest, as long as it is OK. */
    async quietly(context, name = 'C', ...command) {
      await converse(context, name, `quietly ${command.join(' ')}`)
    },
    /** `@fill MAILBOX COUNT [flag…]`: Letter 1, Letter 2 and so on. */
    async fill(_context, mailbox = 'INBOX', count = '1', ...flags) {
      await using client = await imap()
      const letters = Array.from({ length: Number(count) }, (_, at) => ({
        text: numberedLetter(at + 1),
        flags: flags.join(' '),
      }))
      await fillMailbox(client, mailbox, letters)
    },
    /** `@deliver COUNT`: that many letters by SMTP at the home, which has them in the mailbox once it answers 250. */
    async deliver(_context, count = '1') {
      await using client = await SmtpClient.connect({ host: home.address, port: ports.smtp })
      await client.ehlo()
      for (let number = 1; number <= Number(count); number++) {
        const { code, text } = await client.send('wang@elsewhere.test', [user], numberedLetter(number))
        assert.equal(code, 250, text)
      }
    },
    /** `@pop NUMBER…`: takes these letters out of INBOX by POP3. */
    async pop(_context, ...numbers) {
      await using client = await Pop3Client.login({ host: node.address, port: ports.pop3 }, user, password)
      for (const number of numbers) await client.must(`DELE ${number}`)
      await client.quit()
    },
    /** `@restart` the node in order, `@crash` it by SIGKILL; connections are gone either way. */
    async restart() {
      await home.restart()
    },
    async crash() {
      await home.kill9()
      await home.start()
    },
    /** `@check 3 < 4`: numbers, with `<`, `<=` or `=`. */
    check(_context, left = '', comparison = '', right = '') {
      const holds = comparisons[comparison]
      if (holds === undefined) throw new Error(`${comparison} is no comparison`)
      assert.ok(holds(Number(left), Number(right)), `${left} ${comparison} ${right}`)
    },
  }
}
