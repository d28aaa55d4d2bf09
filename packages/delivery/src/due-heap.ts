// Which letter is due next: a binary heap by time. Setting a letter's time again replaces the old one.

interface Slot {
  atMs: number
  id: string
}

export class DueHeap {
  readonly #slots: Slot[] = []
  readonly #atMs = new Map<string, number>()

  get size(): number {
    return this.#atMs.size
  }

  /** @param atMs undefined: never. */
  set(id: string, atMs: number | undefined): void {
    if (atMs === undefined) return void this.#atMs.delete(id)
    if (this.#atMs.get(id) === atMs) return
    this.#atMs.set(id, atMs)
    this.#push({ atMs, id })
    if (this.#slots.length > 64 && this.#slots.length > 2 * this.#atMs.size) this.#rebuild()
  }

  firstMs(): number | undefined {
    this.#dropStale()
    return this.#slots[0]?.atMs
  }

  /** Takes out the first one whose time has come. */
  take(nowMs: number): string | undefined {
    this.#dropStale()
    const first = this.#slots[0]
    if (!first || first.atMs > nowMs) return undefined
    this.#pop()
    this.#atMs.delete(first.id)
    return first.id
  }

  #dropStale(): void {
    for (let first = this.#slots[0]; first && this.#atMs.get(first.id) !== first.atMs; first = this.#slots[0]) {
      this.#pop()
    }
  }

  #rebuild(): void {
    this.#slots.length = 0
    for (const [id, atMs] of this.#atMs) this.#push({ atMs, id })
  }

  #push(slot: Slot): void {
    const slots = this.#slots
    let at = slots.push(slot) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!before(slot, slots[parent] as Slot)) break
      slots[at] = slots[parent] as Slot
      at = parent
    }
    slots[at] = slot
  }

  #pop(): void {
    const slots = this.#slots
    const last = slots.pop() as Slot
    if (slots.length === 0) return
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= slots.length) break
      if (child + 1 < slots.length && before(slots[child + 1] as Slot, slots[child] as Slot)) child++
      if (!before(slots[child] as Slot, last)) break
      slots[at] = slots[child] as Slot
      at = child
    }
    slots[at] = last
  }
}

/** Older letters first among those of one moment. */
function before(a: Slot, b: Slot): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.id < b.id)
}
