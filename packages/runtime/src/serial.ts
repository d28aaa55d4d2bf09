// One thing at a time for each key: the single writer of an account, a document or a peer.

/** Runs tasks of the same key one after the other, in the order of the calls. A failed task does not stop the next. */
export class SerialByKey<Key> {
  readonly #tails = new Map<Key, Promise<unknown>>()

  run<Result>(key: Key, task: () => Promise<Result>): Promise<Result> {
    const before = this.#tails.get(key) ?? Promise.resolve()
    const result = before.then(task, task)
    const tail = result.then(
      () => undefined,
      () => undefined,
    )
    this.#tails.set(key, tail)
    void tail.then(() => {
      if (this.#tails.get(key) === tail) this.#tails.delete(key)
    })
    return result
  }

  /** Resolves when everything that was running or waiting at the time of the call is over. */
  async idle(): Promise<void> {
    await Promise.all(this.#tails.values())
  }
}
