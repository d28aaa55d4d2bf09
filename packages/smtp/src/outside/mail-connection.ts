// One greeted connection to another mail server, over which letters go (RFC 5321 §3).
// Promises: one outcome for each recipient whose fate was decided, null for those it was not; "delivered" is what the
// server said after the end of the message, and nothing else is.
import type { Socket } from 'node:net'
import type { SecureContext } from 'node:tls'
import type { QueueItem, QueueRecipient } from '@skein/delivery'
import { TransferConversion } from '@skein/mail'
import type { MessageLog } from '@skein/mailboxes'
import type { Clock } from '@skein/runtime'
import type { OutsideLimits } from '../limits.ts'
import { DotStuffer } from '../wire/dot-stuffer.ts'
import type { ServerReply } from '../wire/reply-reader.ts'
import { Dialogue, DialogueBroken } from './dialogue.ts'
import { mailCommand, rcptCommand } from './envelope-commands.ts'
import { type LetterNeeds, needsOf } from './letter-needs.ts'
import type { MailHost } from './mail-hosts.ts'
import { type Outcome, failure, outcomeOfReply } from './outcome.ts'
import { outsideBytes, outsideSize } from './outside-letter.ts'
import { type PeerCertificates, type TlsTerms, type TlsVerdict, judge, mustEncrypt } from './tls-terms.ts'

/** Last piece of a message that need not be taken before its end follows: whether the server had the end is not known then. */
const joinedBytesMax = 64 * 1024

export interface MailConnectionComponents {
  log: MessageLog
  clock: Clock
  limits: OutsideLimits
  hostName: string
  localAddress: string | undefined
  /** With the authorities that are trusted; left out: Node's. */
  secureContext?: SecureContext
}

/** @param verdict null: TLS as it should be. */
export type TlsReport = (host: MailHost, localAddress: string, verdict: TlsVerdict | null) => void

/** The host was reached, and takes no mail from us now. */
export class HostRefusal extends Error {
  override readonly name = 'HostRefusal'
  readonly outcome: Outcome

  constructor(outcome: Outcome) {
    super(outcome.text)
    this.outcome = outcome
  }
}

/** STARTTLS was accepted and failed: without it the host may work. */
export class TlsFailure extends Error {
  override readonly name = 'TlsFailure'
}

/** The host was reached, and its TLS is not what it must be. Nothing of the letter was said. */
export class TlsRefusal extends Error {
  override readonly name = 'TlsRefusal'
  readonly verdict: TlsVerdict

  constructor(verdict: TlsVerdict) {
    super(verdict.text)
    this.verdict = verdict
  }
}

export class MailConnection {
  readonly host: MailHost
  readonly terms: TlsTerms
  readonly #components: MailConnectionComponents
  readonly #dialogue: Dialogue
  #extensions = new Map<string, string>()
  /** A transaction was begun that the server may not have ended. */
  #needsReset = false
  #tlsVerdict: TlsVerdict | null = null
  #isEncrypted = false
  letters = 0

  private constructor(host: MailHost, terms: TlsTerms, dialogue: Dialogue, components: MailConnectionComponents) {
    this.host = host
    this.terms = terms
    this.#dialogue = dialogue
    this.#components = components
  }

  /**
   * Greets over a socket that is connected.
   * @param report told what came of TLS, also where this throws. Not called for `useTls: false`.
   * @throws DialogueBroken, HostRefusal, TlsFailure, TlsRefusal
   */
  static async greet(
    { socket, host }: { socket: Socket; host: MailHost },
    components: MailConnectionComponents,
    { useTls, terms, report }: { useTls: boolean; terms: TlsTerms; report: TlsReport },
    signal: AbortSignal,
  ): Promise<MailConnection> {
    const dialogue = Dialogue.over(socket, components)
    const connection = new MailConnection(host, terms, dialogue, components)
    const stop = dialogue.breakOn(signal)
    try {
      await connection.#greet(useTls)
      if (useTls) report(host, dialogue.localAddress, connection.#tlsVerdict)
      return connection
    } catch (error) {
      dialogue.destroy()
      if (useTls && connection.#tlsVerdict) report(host, dialogue.localAddress, connection.#tlsVerdict)
      throw error
    } finally {
      stop()
    }
  }

  get isBroken(): boolean {
    return this.#dialogue.isBroken
  }

  /** Why it is broken, for people. */
  get brokenBy(): string {
    return this.#dialogue.brokenBy
  }

  get hop(): string {
    return hopOf(this.host)
  }

  /** How it is protected, for whoever reads the trace. */
  get protection(): string {
    if (!this.#isEncrypted) return 'in clear text'
    const { demand, facts } = this.terms
    if (this.#tlsVerdict || demand.kind === 'opportunistic' || demand.kind === 'encrypted') return 'over TLS'
    if (demand.kind === 'dane') return 'over TLS, verified by DANE'
    return facts.type === 'sts' ? 'over TLS, verified as MTA-STS asks' : 'over verified TLS'
  }

  async #greet(useTls: boolean): Promise<void> {
    const { limits } = this.#components
    const greeting = await this.#dialogue.reply('the connection', limits.greetingTimeoutMs)
    if (greeting.code !== 220) throw new HostRefusal(this.#hostOutcome(greeting, 'greeting'))
    await this.#hello()
    if (!useTls) return
    if (!(await this.#startTls())) return
    await this.#hello()
  }

  /** False where it goes on in clear text. @throws DialogueBroken, TlsFailure, TlsRefusal */
  async #startTls(): Promise<boolean> {
    const { limits, clock, secureContext } = this.#components
    const { terms } = this
    const ready = this.#extensions.has('STARTTLS')
      ? await this.#dialogue.say('STARTTLS', limits.commandTimeoutMs)
      : undefined
    if (ready?.code !== 220) {
      const text = ready ? `answers ${ready.code} to STARTTLS` : 'offers no STARTTLS'
      this.#tlsVerdict = { type: 'starttls-not-supported', text: `${terms.serverName} ${text}` }
      if (mustEncrypt(terms)) throw new TlsRefusal(this.#tlsVerdict)
      return false
    }
    let peer: PeerCertificates
    try {
      peer = await this.#dialogue.startTls(terms.serverName, secureContext)
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      this.#tlsVerdict = { type: 'validation-failure', text: `TLS with ${terms.serverName} failed: ${why}` }
      if (mustEncrypt(terms)) throw new TlsRefusal(this.#tlsVerdict)
      throw new TlsFailure(why)
    }
    this.#isEncrypted = true
    this.#tlsVerdict = judge(terms, peer, clock.nowMs())
    if (this.#tlsVerdict && mustEncrypt(terms)) throw new TlsRefusal(this.#tlsVerdict)
    return true
  }

  async #hello(): Promise<void> {
    const { limits, hostName } = this.#components
    const extended = await this.#dialogue.say(`EHLO ${hostName}`, limits.commandTimeoutMs)
    this.#extensions = new Map()
    if (extended.code === 250) {
      for (const line of extended.lines.slice(1)) {
        const [keyword = '', ...parameters] = line.split(' ')
        this.#extensions.set(keyword.toUpperCase(), parameters.join(' '))
      }
      return
    }
    // RFC 5321 §3.2: an old server knows only HELO.
    const plain = await this.#dialogue.say(`HELO ${hostName}`, limits.commandTimeoutMs)
    if (plain.code !== 250) throw new HostRefusal(this.#hostOutcome(plain, 'HELO'))
  }

  #hostOutcome(reply: ServerReply, stage: string): Outcome {
    return { ...this.#outcome(reply, stage, true), tryNext: true }
  }

  #outcome(reply: ServerReply, stage: string, tryNext: boolean): Outcome {
    const textCharactersMax = this.#components.limits.replyTextCharactersMax
    return outcomeOfReply(reply, stage, { hop: this.hop, tryNext, textCharactersMax })
  }

  /** Outcomes in the order of `recipients`; null where the connection broke before anything was decided. */
  async deliver(
    item: QueueItem,
    recipients: readonly QueueRecipient[],
    signal: AbortSignal,
  ): Promise<(Outcome | null)[]> {
    this.letters += 1
    const stop = this.#dialogue.breakOn(signal)
    const outcomes: (Outcome | null)[] = recipients.map(() => null)
    try {
      const needs = await needsOf(item, recipients, this.#components.log, this.#extensions)
      const refusal = this.#cannotCarry(item, needs)
      if (refusal) return recipients.map(() => refusal)
      await this.#transact(item, recipients, needs, outcomes)
    } catch (error) {
      if (!(error instanceof DialogueBroken)) {
        // Our own log failed us in the middle of the letter: the server must not take half of it.
        this.#dialogue.destroy()
        throw error
      }
    } finally {
      stop()
    }
    return outcomes
  }

  #cannotCarry(item: QueueItem, needs: LetterNeeds): Outcome | null {
    const options = { hop: this.hop, tryNext: false }
    const has = (keyword: string) => this.#extensions.has(keyword)
    if (item.options?.requireTls && !has('REQUIRETLS')) {
      // RFC 8689 §4.2.1: the sender would rather have it back.
      return failure('permanent', 550, '5.7.30', 'the host does not promise REQUIRETLS', options)
    }
    if (needs.smtpUtf8 && !has('SMTPUTF8')) {
      // RFC 6531 §3.1, §4.2.
      return failure('permanent', 550, '5.6.7', 'the host does not take internationalised mail', options)
    }
    if (needs.stuck !== '') {
      // RFC 6152 §3: rather back than changed.
      const text = `the host takes ${needs.body} mail only, and the letter can not be converted: ${needs.stuck}`
      return failure('permanent', 554, '5.6.3', text, options)
    }
    if (item.options?.deliverBy?.mode === 'return' && !has('DELIVERBY')) {
      // RFC 2852 §4.1.4.
      return failure('permanent', 554, '5.3.3', 'the host does not promise a time to deliver by', options)
    }
    const sizeMax = Number(this.#extensions.get('SIZE') ?? 0)
    const size = outsideSize(item)
    if (sizeMax > 0 && size > sizeMax) {
      const text = `the letter has ${size} bytes, the host takes ${sizeMax}`
      return failure('permanent', 552, '5.3.4', text, options)
    }
    return null
  }

  async #transact(
    item: QueueItem,
    recipients: readonly QueueRecipient[],
    needs: LetterNeeds,
    outcomes: (Outcome | null)[],
  ): Promise<void> {
    const { commandTimeoutMs, dataInitTimeoutMs, dataEndTimeoutMs } = this.#components.limits
    const dialogue = this.#dialogue
    const mail = mailCommand(item, needs, this.#extensions, this.#components.clock.nowMs())
    const rcpt = recipients.map((recipient) => rcptCommand(recipient, needs, this.#extensions))
    const isBinary = needs.body === 'binary'
    const isPipelined = this.#extensions.has('PIPELINING')
    const reset = this.#needsReset
    this.#needsReset = true
    // RFC 2920 §3.1: DATA may be the last of a batch.
    if (isPipelined)
      dialogue.write([...(reset ? ['RSET'] : []), mail, ...rcpt, ...(isBinary ? [] : ['DATA']), ''].join('\r\n'))
    const ask = (line: string, timeoutMs: number) =>
      isPipelined ? dialogue.reply(line.split(' ', 1)[0] ?? line, timeoutMs) : dialogue.say(line, timeoutMs)

    if (reset) await ask('RSET', commandTimeoutMs)
    const sender = await ask(mail, commandTimeoutMs)
    const senderOk = sender.code === 250
    if (!senderOk) outcomes.fill(this.#outcome(sender, 'MAIL', true))
    if (!senderOk && !isPipelined) return
    let accepted = 0
    for (let i = 0; i < rcpt.length; i++) {
      const reply = await ask(rcpt[i] ?? '', commandTimeoutMs)
      if (!senderOk) continue
      if (reply.code === 250 || reply.code === 251) accepted += 1
      else outcomes[i] = this.#outcome(reply, 'RCPT', true)
    }
    if (accepted === 0 && (!isPipelined || isBinary)) return
    if (isBinary) {
      // RFC 3030 §2: nothing to be asked before, and no byte changed.
      dialogue.write(`BDAT ${outsideSize(item)} LAST\r\n`)
      await this.#sendBytes(item)
      return this.#endOfMessage(outcomes)
    }
    const go = await ask('DATA', dataInitTimeoutMs)
    if (go.code !== 354) {
      const refused = this.#outcome(go.code >= 400 ? go : { ...go, code: 451 }, 'DATA', true)
      fillOpen(outcomes, refused)
      return
    }
    if (accepted === 0) {
      // RFC 2920 §3.1: the server waits for a message although it took no recipient.
      await dialogue.say('.', dataEndTimeoutMs)
      return
    }
    await this.#sendMessage(item, needs)
    return this.#endOfMessage(outcomes)
  }

  async #endOfMessage(outcomes: (Outcome | null)[]): Promise<void> {
    let end: ServerReply
    try {
      end = await this.#dialogue.reply('the end of the message', this.#components.limits.dataEndTimeoutMs)
    } catch (error) {
      if (!(error instanceof DialogueBroken)) throw error
      // It may have been taken or not: trying another host at once would make two of it for certain in the one case.
      const text = `the connection broke before the message was answered: ${error.message}`
      fillOpen(outcomes, failure('temporary', 451, '4.4.2', text, { hop: this.hop }))
      return
    }
    this.#needsReset = false
    const passedOn = { dsn: this.#extensions.has('DSN'), deliverBy: this.#extensions.has('DELIVERBY') }
    fillOpen(outcomes, { ...this.#outcome(end, 'end of message', false), passedOn })
  }

  async #sendMessage(item: QueueItem, { plan }: LetterNeeds): Promise<void> {
    const stuffer = new DotStuffer()
    const conversion = plan && new TransferConversion(plan)
    // A small last piece goes out together with the end of the message.
    const held: Buffer[] = []
    const stuff = (chunks: readonly Buffer[]) => {
      for (const chunk of chunks) stuffer.write(chunk, held)
    }
    for await (const chunk of outsideBytes(item, this.#components.log)) {
      if (held.length > 0) await this.#dialogue.writeAll(held.splice(0))
      const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
      stuff(conversion ? conversion.push(bytes) : [bytes])
    }
    if (conversion) stuff(conversion.end())
    if (held.reduce((sum, piece) => sum + piece.length, 0) > joinedBytesMax)
      await this.#dialogue.writeAll(held.splice(0))
    this.#dialogue.writePieces([...held, stuffer.end()])
  }

  async #sendBytes(item: QueueItem): Promise<void> {
    for await (const chunk of outsideBytes(item, this.#components.log)) {
      await this.#dialogue.writeAll([Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)])
    }
  }

  quit(): void {
    this.#dialogue.quit()
  }
}

export function hopOf({ name, address, port }: Pick<MailHost, 'name' | 'address' | 'port'>): string {
  const where = port === 25 ? address : `${address}:${port}`
  return name === address ? where : `${name} [${where}]`
}

function fillOpen(outcomes: (Outcome | null)[], outcome: Outcome): void {
  for (let i = 0; i < outcomes.length; i++) outcomes[i] ??= outcome
}
