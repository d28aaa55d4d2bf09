// A letter that comes by BDAT (RFC 3030): chunks of a size that is said before them, each with its reply.
// Promises: exactly the bytes that were announced belong to a chunk, whatever becomes of it, so that none of them is ever read as a
// command; a chunk that is refused ends the letter, and nothing of it is kept.
import type { LetterReceiver } from './letter-receiver.ts'
import type { DataSink, MessageBytes } from './wire/session-reader.ts'
import { LineEnds } from './wire/line-ends.ts'
import type { Reply } from './replies.ts'

export interface BdatCommand {
  bytes: number
  isLast: boolean
}

/** RFC 3030 §2; null for what is no BDAT: its bytes can't be told from commands then. */
export function parseBdat(line: string): BdatCommand | null {
  const match = /^BDAT +(\d{1,15})(?: +(LAST))? *$/i.exec(line)
  return match ? { bytes: Number(match[1]), isLast: match[2] !== undefined } : null
}

/** What a chunk is for when nobody wants it: read to its end, then answered. */
export class UnwantedChunk implements DataSink {
  readonly #answer: () => void
  readonly #mayGoOn: (bytes: number) => boolean

  /** @param mayGoOn asked with every piece; false where the client sends too much for nothing. */
  constructor(answer: () => void, mayGoOn: (bytes: number) => boolean) {
    this.#answer = answer
    this.#mayGoOn = mayGoOn
  }

  take(pieces: Buffer[]): void {
    for (const piece of pieces) if (!this.#mayGoOn(piece.length)) return
  }

  end(): void {
    this.#answer()
  }
}

export class ChunkedLetter {
  readonly receiver: LetterReceiver
  readonly #lineEnds: LineEnds

  constructor(receiver: LetterReceiver, bareLineEnds: 'refuse' | 'normalise' | 'keep') {
    this.receiver = receiver
    this.#lineEnds = new LineEnds(bareLineEnds)
  }

  /** @param done a chunk that is not the last is here: taken, or the letter's refusal. */
  chunk({ isLast }: BdatCommand, done: (refused: Reply | null) => void): DataSink {
    const { receiver } = this
    const lineEnds = this.#lineEnds
    const taken: MessageBytes = lineEnds
    return {
      take(pieces) {
        const kept: Buffer[] = []
        for (const piece of pieces) lineEnds.read(piece, kept)
        return receiver.take(kept, taken)
      },
      end() {
        if (!isLast) return done(receiver.refused)
        const kept: Buffer[] = []
        lineEnds.end(kept)
        const waiting = receiver.take(kept, taken)
        return waiting ? waiting.then(() => receiver.end()) : receiver.end()
      },
    }
  }
}
