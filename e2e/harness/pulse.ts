// A well-behaved user beside the trouble: sends and reads all the time, and tells afterwards whether it was served.
import { setTimeout as delay } from 'node:timers/promises'
import type { ImapClient } from './imap-client.ts'
import type { SkeinNode } from './skein.ts'
import type { SmtpClient } from './smtp-client.ts'
import { imapOf, letter, submissionTo } from './stage.ts'

export interface PulseReport {
  beats: number
  longestMs: number
  failures: string[]
}

export class Pulse {
  private stopping = false
  private readonly report: PulseReport = { beats: 0, longestMs: 0, failures: [] }
  private readonly done: Promise<void>

  private constructor(sender: SmtpClient, reader: ImapClient, user: string) {
    this.done = this.run(sender, reader, user)
  }

  static async start(node: SkeinNode, user: string): Promise<Pulse> {
    const sender = await submissionTo(node, user)
    const reader = await imapOf(node, user)
    return new Pulse(sender, reader, user)
  }

  private async run(sender: SmtpClient, reader: ImapClient, user: string): Promise<void> {
    try {
      await reader.select('INBOX')
      while (!this.stopping) {
        const started = performance.now()
        const reply = await sender.send(user, [user], letter(user, user, 'pulse').text)
        if (reply.code !== 250) this.report.failures.push(reply.text)
        await reader.must('NOOP')
        this.report.beats += 1
        this.report.longestMs = Math.max(this.report.longestMs, performance.now() - started)
        await delay(50)
      }
    } catch (error) {
      this.report.failures.push(String(error))
    } finally {
      sender.link.destroy()
      reader.link.destroy()
    }
  }

  async stop(): Promise<PulseReport> {
    this.stopping = true
    await this.done
    return this.report
  }
}
