// What serves for a short while: answers and findings of one thread that its next letters may use.

export class Kept<Value> {
  readonly #keptMs: number
  readonly #max: number
  readonly #values = new Map<string, { value: Value; untilMs: number }>()

  constructor(keptMs: number, max: number) {
    this.#keptMs = keptMs
    this.#max = max
  }

  get(key: string): Value | undefined {
    const found = this.#values.get(key)
    return found && found.untilMs > performance.now() ? found.value : undefined
  }

  keep(key: string, value: Value): void {
    this.#values.delete(key)
    if (this.#values.size >= this.#max) this.#values.delete(this.#values.keys().next().value as string)
    this.#values.set(key, { value, untilMs: performance.now() + this.#keptMs })
  }
}
