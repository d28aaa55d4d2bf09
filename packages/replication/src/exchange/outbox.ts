// News on its way to one peer: what gathers while a request is under way goes along with the next. Nothing waits without a bound: a peer
// that is too slow is told to compare instead, and one that can't be reached will compare when it is back.
import type { LedgerSettings } from '../limits.ts'
import { encodeLogRequest } from './messages.ts'

export interface News {
  reach: string[] | null
  membership: Uint8Array[]
  batches: Uint8Array[]
  checkpoints: Uint8Array[]
}

export function newsOf(
  kind: 'membership' | 'batches' | 'checkpoints',
  records: Uint8Array[],
  reach: string[] | null,
): News {
  return { reach, membership: [], batches: [], checkpoints: [], [kind]: records }
}

export class Outbox {
  readonly #send: (payload: Uint8Array) => Promise<void>
  readonly #settings: LedgerSettings
  #waiting: News[] = []
  #bytes = 0
  #compare = false
  #sending = false

  /** @param send rejects when the peer can't be reached */
  constructor(send: (payload: Uint8Array) => Promise<void>, settings: LedgerSettings) {
    this.#send = send
    this.#settings = settings
  }

  put(news: News): void {
    this.#bytes += sizeOf(news)
    if (this.#bytes > this.#settings.outboxBytesMax) {
      this.#clear()
      this.#compare = true
    } else {
      this.#waiting.push(news)
    }
    this.#start()
  }

  /** Says only that there is news. */
  nudge(): void {
    this.#compare = true
    this.#start()
  }

  #clear(): void {
    this.#waiting = []
    this.#bytes = 0
  }

  #start(): void {
    if (this.#sending) return
    this.#sending = true
    void this.#drain()
  }

  async #drain(): Promise<void> {
    try {
      // What is written in the same moment goes in the same request.
      await Promise.resolve()
      while (this.#waiting.length > 0 || this.#compare) {
        const compare = this.#compare
        this.#compare = false
        await this.#send(encodeLogRequest({ kind: 'push', ...this.#next(), compare }))
      }
    } catch {
      this.#clear()
      this.#compare = false
    } finally {
      this.#sending = false
    }
  }

  /** As much as fits in one request; only news of the same reach go together. */
  #next(): News {
    const first = this.#waiting[0]
    const joined: News = { reach: first?.reach ?? null, membership: [], batches: [], checkpoints: [] }
    const reach = JSON.stringify(joined.reach)
    let size = 0
    let taken = 0
    for (const news of this.#waiting) {
      const more = sizeOf(news)
      if (taken > 0 && (size + more > this.#settings.replyBytesMax || JSON.stringify(news.reach) !== reach)) break
      joined.membership.push(...news.membership)
      joined.batches.push(...news.batches)
      joined.checkpoints.push(...news.checkpoints)
      size += more
      taken++
    }
    this.#waiting.splice(0, taken)
    this.#bytes -= size
    return joined
  }
}

function sizeOf({ membership, batches, checkpoints }: News): number {
  let size = 0
  for (const records of [membership, batches, checkpoints]) for (const record of records) size += record.length
  return size
}
