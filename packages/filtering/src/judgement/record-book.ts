// What one node has said, by kind and key: bounded, the oldest go first.
// Promises: of two records of one kind and key the one with the higher number stays, in whatever order and however often they come.
import { judgementRecordLimits } from './limits.ts'
import { type JudgementKind, type JudgementRecord, judgementKinds } from './record.ts'

export class RecordBook {
  readonly #byKind = new Map<JudgementKind, Map<string, JudgementRecord>>(
    judgementKinds.map((kind) => [kind, new Map()]),
  )

  get(kind: JudgementKind, key: string): JudgementRecord | undefined {
    return this.#of(kind).get(key)
  }

  /** @returns the records that had to go for it, or undefined where what is here is as new. */
  put(record: JudgementRecord): JudgementRecord[] | undefined {
    const records = this.#of(record.kind)
    const before = records.get(record.key)
    if (before && before.seq >= record.seq) return undefined
    // Deleting first keeps the map in the order of numbers, so that the oldest is the first.
    records.delete(record.key)
    records.set(record.key, record)
    if (records.size <= judgementRecordLimits[record.kind]) return []
    const [oldest] = records.values()
    if (!oldest) return []
    records.delete(oldest.key)
    return [oldest]
  }

  /** Removes what is over, and says what that was. */
  sweep(nowMs: number): JudgementRecord[] {
    const over: JudgementRecord[] = []
    for (const records of this.#byKind.values()) {
      for (const record of records.values()) if (record.untilMs <= nowMs) over.push(record)
    }
    for (const { kind, key } of over) this.#of(kind).delete(key)
    return over
  }

  *all(kind?: JudgementKind): Iterable<JudgementRecord> {
    if (kind) yield* this.#of(kind).values()
    else for (const records of this.#byKind.values()) yield* records.values()
  }

  sizeOf(kind: JudgementKind): number {
    return this.#of(kind).size
  }

  get size(): number {
    let size = 0
    for (const records of this.#byKind.values()) size += records.size
    return size
  }

  #of(kind: JudgementKind): Map<string, JudgementRecord> {
    return this.#byKind.get(kind) as Map<string, JudgementRecord>
  }
}
