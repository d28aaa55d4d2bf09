// What the DNS says of one visitor: asked at once, waited for only when an answer is needed, and never longer than a named time.
import type { DoorParts } from './door-parts.ts'
import type { ListHit } from './dns-lists.ts'
import type { ReverseName } from './reverse-name.ts'

export class Lookups {
  readonly #parts: DoorParts
  readonly #asked = new Set<string>()
  readonly #hits: ListHit[] = []
  #underWay = 0
  #hasWaitedLong = false
  #waiting: (() => void)[] = []
  #name: ReverseName = { kind: 'unknown' }

  constructor(parts: DoorParts) {
    this.#parts = parts
  }

  askAddress(remoteAddress: string): void {
    this.#run(async () => {
      this.#name = await this.#parts.reverse.find(remoteAddress)
    })
    this.#ask('address', remoteAddress)
  }

  get name(): ReverseName {
    return this.#name
  }

  get hits(): readonly ListHit[] {
    return this.#hits
  }

  get weight(): number {
    return this.#hits.reduce((sum, { weight }) => sum + weight, 0)
  }

  /** The lists of domains. What is no domain name is not asked for. */
  askDomain(domain: string): void {
    if (/^(?=.{3,200}$)[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z][a-z0-9-]+$/.test(domain)) this.#ask('domain', domain)
  }

  #ask(of: 'address' | 'domain', subject: string): void {
    if (this.#asked.has(subject) || this.#asked.size >= this.#parts.limits.listsMax) return
    this.#asked.add(subject)
    for (const list of this.#parts.lists) {
      if (list.of !== of) continue
      this.#run(async () => {
        const hit = await list.ask(subject)
        // One list counts once, whether it has the sender's domain or HELO's.
        if (hit && !this.#hits.some(({ zone }) => zone === hit.zone)) this.#hits.push(hit)
      })
    }
  }

  #run(lookup: () => Promise<void>): void {
    this.#underWay += 1
    void lookup().finally(() => {
      this.#underWay -= 1
      if (this.#underWay === 0) for (const wake of this.#waiting.splice(0)) wake()
    })
  }

  /** Undefined: all is known, or has been waited for long enough in this session. */
  whenKnown(): Promise<void> | undefined {
    if (this.#underWay === 0 || this.#hasWaitedLong) return undefined
    const { clock, limits } = this.#parts
    return new Promise((resolve) => {
      const patience = clock.setTimer(limits.lookupWaitMs, () => {
        this.#hasWaitedLong = true
        resolve()
      })
      this.#waiting.push(() => {
        patience.cancel()
        resolve()
      })
    })
  }
}
