// A test file's scene: its nodes, its steps in order, and what to show and clean up when it ends.
import type { TestContext } from 'node:test'
import { ImapClient } from './imap-client.ts'
import { type SkeinNode, ports, stopNodes } from './skein.ts'
import { SmtpClient } from './smtp-client.ts'

export class Stage {
  readonly nodes: SkeinNode[] = []
  private readonly context: TestContext
  private readonly cleanups: (() => Promise<unknown> | void)[] = []
  private failedStep: string | undefined
  private failed = false

  constructor(context: TestContext) {
    this.context = context
    context.after(async () => {
      for (const node of this.nodes) node.retire()
      await stopNodes(this.nodes, this.failed)
      for (const cleanup of this.cleanups.reverse()) await cleanup()
    })
  }

  /** Ended (and its log shown, after a failure) when the test ends. */
  add(...nodes: SkeinNode[]): void {
    this.nodes.push(...nodes)
  }

  /** Runs when the test ends, after the nodes have stopped; the last one given runs first. */
  cleanup(task: () => Promise<unknown> | void): void {
    this.cleanups.push(task)
  }

  /** A subtest that stands on the ones before it: once one has failed the rest are skipped, saying so. */
  async step(name: string, body: () => Promise<void>, skip: string | false = false): Promise<void> {
    const because = this.failedStep === undefined ? skip : `"${this.failedStep}" failed`
    await this.context.test(name, { skip: because }, async () => {
      try {
        await body()
      } catch (error) {
        this.failedStep ??= name
        this.failed = true
        throw error
      }
    })
  }

  /** A subtest on which no other stands. */
  async independent(name: string, body: () => Promise<void>, skip: string | false = false): Promise<void> {
    const because = this.failedStep === undefined ? skip : `"${this.failedStep}" failed`
    await this.context.test(name, { skip: because }, async () => {
      try {
        await body()
      } catch (error) {
        this.failed = true
        throw error
      }
    })
  }
}

export const password = 'a goose in flight 42'

/** A session that is logged in: over TLS where the node is not on a loopback address, as it must be there. */
export async function imapOf(node: SkeinNode, user: string, secret = password): Promise<ImapClient> {
  const tls = !node.address.startsWith('127.')
  return ImapClient.login({ host: node.address, port: tls ? ports.imaps : ports.imap, tls }, user, secret)
}

/** A session on the submission port, logged in. */
export async function submissionTo(node: SkeinNode, user: string, secret = password): Promise<SmtpClient> {
  const client = await SmtpClient.connect({ host: node.address, port: ports.submission })
  try {
    await client.ehlo()
    await client.login(user, secret)
    return client
  } catch (error) {
    client.link.destroy()
    throw error
  }
}

let letters = 0

/** A small letter with a Message-ID never used before. */
export function letter(from: string, to: string, subject: string, body = 'Hello.\r\n'): { id: string; text: string } {
  letters += 1
  const id = `${letters}.${process.pid}.${Date.now()}@e2e.test`
  const lines = [
    `From: <${from}>`,
    `To: <${to}>`,
    `Subject: ${subject}`,
    `Date: Mon, 23 Nov 2026 08:00:00 +0800`,
    `Message-ID: <${id}>`,
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=utf-8',
    'Content-Transfer-Encoding: 8bit',
    '',
    body,
  ]
  return { id, text: lines.join('\r\n') }
}
