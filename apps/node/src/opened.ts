// What a node has opened, to be closed in the opposite order.
import type { Logger } from '@skein/runtime'

/** Closes what was opened, last first, whatever fails on the way. */
export class Opened {
  readonly #closers: { what: string; close: () => Promise<unknown> | void }[] = []
  readonly #logger: Logger

  constructor(logger: Logger) {
    this.#logger = logger
  }

  add(what: string, close: () => Promise<unknown> | void): void {
    this.#closers.push({ what, close })
  }

  async closeAll(): Promise<void> {
    for (let next = this.#closers.pop(); next; next = this.#closers.pop()) {
      try {
        await next.close()
      } catch (error) {
        this.#logger.error({ what: next.what, error: String(error) }, 'could not be closed cleanly')
      }
    }
  }
}
