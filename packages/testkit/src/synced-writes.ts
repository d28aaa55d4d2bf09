// The disk under the memory stores: a write counts once its sync is over, in the order of the calls, and writes that wait
// together share one sync. A crash loses what was not synced, except for a random first part of it, as real disks do.

export interface MemoryDiskSettings {
  /** How long one sync takes; default: a moment that needs no timer. A simulation sleeps on its virtual clock here. */
  sync?: () => Promise<void>
  /** At a crash, asked for each unsynced write in order until it says no: did this one reach the disk all the same. */
  survives?: () => boolean
}

interface Waiting {
  apply: () => void
  resolve: () => void
}

export class SyncedWrites {
  readonly #settings: MemoryDiskSettings
  #unsynced: Waiting[] = []
  #draining = false
  #crashed = false

  constructor(settings: MemoryDiskSettings = {}) {
    this.#settings = settings
  }

  get crashed(): boolean {
    return this.#crashed
  }

  /** Resolves when `apply` has been carried out for good. After a crash it never does. */
  write(apply: () => void): Promise<void> {
    return new Promise((resolve) => {
      if (this.#crashed) return
      this.#unsynced.push({ apply, resolve })
      if (!this.#draining) void this.#drain()
    })
  }

  /** Goes along with the next `write`; lost in a crash before that. */
  writeLazily(apply: () => void): void {
    if (!this.#crashed) this.#unsynced.push({ apply, resolve: () => {} })
  }

  /** Never settles after a crash: what a dead process waited for does not happen. */
  read<Result>(take: () => Result): Promise<Result> {
    return this.#crashed ? new Promise(() => {}) : Promise.resolve().then(() => take())
  }

  crash(): void {
    this.#crashed = true
    const unsynced = this.#unsynced
    this.#unsynced = []
    for (const { apply } of unsynced) {
      if (!this.#settings.survives?.()) break
      apply()
    }
  }

  async #drain(): Promise<void> {
    this.#draining = true
    // Callers that are ready now come along.
    await Promise.resolve()
    while (this.#unsynced.length > 0) {
      const count = this.#unsynced.length
      await this.#settings.sync?.()
      if (this.#crashed) return
      const group = this.#unsynced.splice(0, count)
      for (const { apply } of group) apply()
      for (const { resolve } of group) resolve()
    }
    this.#draining = false
  }
}
