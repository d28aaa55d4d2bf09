// One message on its way from the socket to the intake.
// Promises: what is refused is refused while it streams, its rest is read and dropped within a bound so that the session
// survives, and the answer "taken" is given only after the intake has made the letter durable.
import type { LetterWriter } from '@skein/delivery'
import { type Reply, replies, replyForError } from './replies.ts'
import type { DataSink, MessageBytes } from './wire/session-reader.ts'

export interface LetterReceiverEvents {
  /** A piece has come: the client is alive. */
  progress(): void
  /** The whole message is here; from now on the client waits for us. */
  complete(): void
  /** Taken: the queue id. Refused: the reply. */
  done(result: { queueId: string; junk?: boolean } | { refused: Reply }): void
  /** Refused, and the client has sent too much since: answer and close. */
  overrun(refused: Reply): void
  unexpected(error: unknown): void
}

export class LetterReceiver implements DataSink {
  readonly #writer: LetterWriter
  readonly #limits: { messageBytesMax: number; drainBytesMax: number }
  readonly #events: LetterReceiverEvents
  #bytes = 0
  #drained = 0
  #refused: Reply | null = null
  #isOver = false

  constructor(
    writer: LetterWriter,
    limits: { messageBytesMax: number; drainBytesMax: number },
    events: LetterReceiverEvents,
  ) {
    this.#writer = writer
    this.#limits = limits
    this.#events = events
  }

  get refused(): Reply | null {
    return this.#refused
  }

  take(pieces: Buffer[], bytes: MessageBytes): Promise<void> | void {
    this.#events.progress()
    if (bytes.fault && !this.#refused) {
      this.#refuse(bytes.fault === 'masked-end' ? replies.maskedEndInData : replies.bareLineEndInData)
    }
    for (let i = 0; i < pieces.length; i++) {
      const piece = pieces[i] as Buffer
      const waiting = this.#takePiece(piece)
      if (waiting) return this.#takeRest(waiting, pieces, i + 1)
    }
  }

  async #takeRest(first: Promise<void>, pieces: Buffer[], from: number): Promise<void> {
    await first
    for (let i = from; i < pieces.length; i++) await this.#takePiece(pieces[i] as Buffer)
    this.#events.progress()
  }

  #takePiece(piece: Buffer): Promise<void> | void {
    if (this.#isOver) return
    if (this.#refused) return this.#drain(piece)
    this.#bytes += piece.length
    if (this.#bytes > this.#limits.messageBytesMax) {
      this.#refuse(replies.messageTooLarge)
      return this.#drain(piece)
    }
    try {
      const waiting = this.#writer.write(piece)
      if (waiting) return waiting.catch((error: unknown) => this.#failed(error))
    } catch (error) {
      this.#failed(error)
    }
  }

  #drain(piece: Buffer): void {
    this.#drained += piece.length
    if (this.#drained <= this.#limits.drainBytesMax || !this.#refused) return
    this.#isOver = true
    this.#events.overrun(this.#refused)
  }

  end(): Promise<void> | void {
    if (this.#isOver) return
    this.#isOver = true
    if (this.#refused) return this.#events.done({ refused: this.#refused })
    this.#events.complete()
    return this.#finish()
  }

  async #finish(): Promise<void> {
    let result: { queueId: string; junk?: boolean } | { refused: Reply }
    try {
      result = await this.#writer.finish()
    } catch (error) {
      result = { refused: this.#replyFor(error) }
    }
    this.#events.done(result)
  }

  /** The client is gone before the end of the message: nothing of it is kept. */
  abandon(): void {
    if (this.#isOver) return
    this.#isOver = true
    if (!this.#refused) this.#abortWriter()
  }

  #failed(error: unknown): void {
    if (!this.#refused && !this.#isOver) this.#refuse(this.#replyFor(error))
  }

  #refuse(reply: Reply): void {
    this.#refused = reply
    this.#abortWriter()
  }

  #abortWriter(): void {
    this.#writer.abort().catch((error: unknown) => this.#events.unexpected(error))
  }

  #replyFor(error: unknown): Reply {
    const { reply, isKnown } = replyForError(error)
    if (!isKnown) this.#events.unexpected(error)
    return reply
  }
}
