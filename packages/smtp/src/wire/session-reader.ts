// Cuts what a client sends into command lines and messages, in place of smtp-server's own parser.
// Promises: one command at a time, the next only after the reply to the one before; a message goes to its sink in pieces
// of the socket's own chunks, with back-pressure; over-long and badly ended command lines are reported, not guessed at.
import { SMTPStream } from 'smtp-server/lib/smtp-stream.js'
import { type DataFault, DataReader } from './data-reader.ts'

const CR = 13
const LF = 10

/** What is known of the bytes that were read so far. */
export interface MessageBytes {
  readonly fault: DataFault | null
}

/** Takes one message, or one chunk of it. Neither method rejects or throws. */
export interface DataSink {
  /** May be called with no pieces. Returns a promise where the sender has to wait. */
  take(pieces: Buffer[], bytes: MessageBytes): Promise<void> | void
  /** The message is complete; resolves when it was answered. */
  end(): Promise<void> | void
}

/** bad-chunk: a badly ended BDAT, after which its bytes can't be told from commands. */
export type LineFault = 'line-too-long' | 'bare-line-end' | 'bad-chunk'

export interface SessionReaderHandlers {
  /** One line without its line end. `resume` is called once, when the next may come. */
  command(line: Buffer, resume: () => void): void
  badLine(fault: LineFault, resume: () => void): void
  /** Nothing more can be done now: replies that were gathered are to be sent. */
  pause(): void
  /** The client has ended its side, and everything it sent is done. */
  end(): void
}

export interface SessionReaderSettings {
  commandLineBytesMax: number
  commandsPerTurnMax: number
  bareLineEnds: 'refuse' | 'normalise'
}

const faultless: MessageBytes = { fault: null }

type Next = (error?: Error | null) => void

export class SessionReader extends SMTPStream {
  readonly #settings: SessionReaderSettings
  readonly #handlers: SessionReaderHandlers
  #chunk: Buffer = Buffer.alloc(0)
  #at = 0
  #next: Next | null = null
  /** The start of a command line whose end has not come. */
  #begun: Buffer | null = null
  #skippingLine = false
  #data: DataReader | null = null
  /** What is still to come of a chunk (BDAT). */
  #chunkBytesLeft = 0
  #sink: DataSink | null = null
  #waiting = false
  #running = false

  constructor(settings: SessionReaderSettings, handlers: SessionReaderHandlers) {
    super()
    this.#settings = settings
    this.#handlers = handlers
    this.on('finish', () => {
      if (!this.isClosed) handlers.end()
    })
  }

  /** True where the client has sent something after the command that is being run. */
  get hasMore(): boolean {
    return this.#at < this.#chunk.length || this.writableLength > this.#chunk.length
  }

  /** True while commands are being run, after which `pause` is called. */
  get isRunning(): boolean {
    return this.#running
  }

  /** What comes next is a message. To be called by a command handler before it resumes. */
  startMessage(sink: DataSink): void {
    this.#data = new DataReader(this.#settings.bareLineEnds)
    this.#sink = sink
  }

  /** What comes next are `bytes` (1 or more) bytes that are no commands, whatever they look like. As `startMessage`. */
  startChunk(bytes: number, sink: DataSink): void {
    this.#chunkBytesLeft = bytes
    this.#sink = sink
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding | 'buffer', next: Next): void {
    if (this.isClosed) return next()
    this.#chunk = chunk
    this.#at = 0
    this.#next = next
    this.#run()
  }

  /** An unfinished command at the end of the stream is dropped: it may have been cut in the middle. */
  override _flushData(): void {}

  #run(): void {
    this.#running = true
    let turns = 0
    while (!this.isClosed && !this.#waiting && this.#at < this.#chunk.length) {
      turns += 1
      if (turns > this.#settings.commandsPerTurnMax) {
        this.#waiting = true
        setImmediate(this.#resume)
      } else if (this.#data) {
        this.#readMessage(this.#data)
      } else if (this.#chunkBytesLeft > 0) {
        this.#readChunk()
      } else {
        this.#readLine()
      }
    }
    this.#running = false
    this.#handlers.pause()
    if (this.#waiting && !this.isClosed) return
    this.#chunk = Buffer.alloc(0)
    this.#at = 0
    const next = this.#next
    this.#next = null
    next?.()
  }

  readonly #resume = (): void => {
    if (!this.#waiting) return
    this.#waiting = false
    if (!this.#running) this.#run()
  }

  #readLine(): void {
    const chunk = this.#chunk
    const from = this.#at
    const lf = chunk.indexOf(LF, from)
    const end = lf < 0 ? chunk.length : lf
    this.#at = lf < 0 ? chunk.length : lf + 1
    if (this.#skippingLine) {
      if (lf >= 0) this.#reportBadLine('line-too-long')
      return
    }
    if ((this.#begun?.length ?? 0) + end - from > this.#settings.commandLineBytesMax) {
      this.#begun = null
      this.#skippingLine = true
      if (lf >= 0) this.#reportBadLine('line-too-long')
      return
    }
    // Buffer.concat and Buffer.from copy: the chunk's memory is not kept for a few bytes of a command.
    const piece = chunk.subarray(from, end)
    if (lf < 0) {
      this.#begun = this.#begun ? Buffer.concat([this.#begun, piece]) : Buffer.from(piece)
      return
    }
    const whole = this.#begun ? Buffer.concat([this.#begun, piece]) : piece
    this.#begun = null
    const endsWithCr = whole.length > 0 && whole[whole.length - 1] === CR
    const line = endsWithCr ? whole.subarray(0, whole.length - 1) : whole
    const isStrict = endsWithCr && !line.includes(CR) && !line.includes(0)
    if (!isStrict && this.#settings.bareLineEnds === 'refuse') {
      return this.#reportBadLine(/^BDAT\b/i.test(line.toString('latin1', 0, 8)) ? 'bad-chunk' : 'bare-line-end')
    }
    this.#waiting = true
    this.#handlers.command(line, this.#resume)
  }

  #reportBadLine(fault: LineFault): void {
    this.#skippingLine = false
    this.#waiting = true
    this.#handlers.badLine(fault, this.#resume)
  }

  #readMessage(reader: DataReader): void {
    const pieces: Buffer[] = []
    this.#at += reader.read(this.#at === 0 ? this.#chunk : this.#chunk.subarray(this.#at), pieces)
    if (reader.ended) this.#data = null
    this.#give(pieces, reader, reader.ended)
  }

  #readChunk(): void {
    const end = Math.min(this.#at + this.#chunkBytesLeft, this.#chunk.length)
    const piece = this.#chunk.subarray(this.#at, end)
    this.#chunkBytesLeft -= end - this.#at
    this.#at = end
    this.#give([piece], faultless, this.#chunkBytesLeft === 0)
  }

  #give(pieces: Buffer[], bytes: MessageBytes, isOver: boolean): void {
    const sink = this.#sink
    if (!sink) return
    let taken = sink.take(pieces, bytes)
    if (isOver) {
      this.#sink = null
      taken = taken ? taken.then(() => sink.end()) : sink.end()
    }
    if (taken) {
      this.#waiting = true
      void taken.then(this.#resume)
    }
  }
}
