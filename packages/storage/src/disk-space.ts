// Keeps a last part of the disk free: a database on a disk that is full to the last byte can't even tidy up.
import { statfs } from 'node:fs/promises'
import { SkeinError } from '@skein/runtime'

/** How old the last look may be. */
const lookEveryMs = 500

export class DiskSpace {
  readonly #directory: string
  readonly #reserveBytes: number
  #lookedMs = -Infinity
  #freeBytes = Infinity

  /** @param reserveBytes 0: never look */
  constructor(directory: string, reserveBytes: number) {
    this.#directory = directory
    this.#reserveBytes = reserveBytes
  }

  /** @throws SkeinError `disk-full` where less than the reserve is free */
  async check(): Promise<void> {
    if (this.#reserveBytes === 0) return
    if (performance.now() - this.#lookedMs > lookEveryMs) {
      this.#freeBytes = await this.free()
      this.#lookedMs = performance.now()
    }
    if (this.#freeBytes < this.#reserveBytes) {
      // Whoever makes room need not wait for the next look.
      this.#lookedMs = -Infinity
      throw new SkeinError('disk-full', 'temporary', 'the disk is full')
    }
  }

  async free(): Promise<number> {
    const { bavail, bsize } = await statfs(this.#directory)
    return bavail * bsize
  }
}
