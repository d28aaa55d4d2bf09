// Dead addresses outside: those that several letters were refused for, for good, because nobody has them. For a day new
// letters of our users to them are refused at once: senders hear of it sooner, and hosts that count such letters think better
// of this one. What is known is this node's own experience; it fades, and ends with the first letter that gets through.
import { canonicalAddress } from '@skein/mail'
import { SkeinError, type Clock, type Logger } from '@skein/runtime'
import type { DeliveryLimits } from './limits.ts'
import type { Courier, DeadAddress, DeadAddressStore, DeliveryResult, QueueId } from './ports.ts'

/** RFC 3463 §3.2, RFC 7505 §4.2: no such mailbox, no such domain, mailbox disabled, a domain that takes no mail. */
const deadStatuses: ReadonlySet<string> = new Set(['5.1.1', '5.1.2', '5.1.10', '5.2.1'])

export interface SuppressionComponents {
  store: DeadAddressStore
  clock: Clock
  logger: Logger
}

type SuppressionLimits = Pick<
  DeliveryLimits,
  'suppressionFailures' | 'suppressionWindowMs' | 'suppressionRefusalMs' | 'suppressionAddressesMax'
>

export class Suppression {
  readonly #parts: SuppressionComponents
  readonly #limits: SuppressionLimits
  /** Longest without a new failure first. */
  readonly #known = new Map<string, DeadAddress>()

  constructor(components: SuppressionComponents, limits: SuppressionLimits) {
    this.#parts = components
    this.#limits = limits
  }

  async load(): Promise<void> {
    const found: DeadAddress[] = []
    for await (const record of this.#parts.store.list()) found.push(record)
    found.sort((a, b) => lastMs(a) - lastMs(b))
    for (const record of found) this.#known.set(record.address, record)
    this.#sweep()
  }

  /** That courier, its results noted. */
  watching(outside: Courier): Courier {
    return {
      kind: outside.kind,
      deliver: async (consignment, destination, signal) => {
        const results = await outside.deliver(consignment, destination, signal)
        for (const [at, result] of results.entries()) {
          const address = consignment.recipients[at]?.address
          if (address !== undefined) this.note(address, consignment.item.id, result)
        }
        return results
      },
    }
  }

  /** What became of a letter to that address outside. */
  note(given: string, letter: QueueId, result: DeliveryResult): void {
    const address = canonicalAddress(given)
    if (address === undefined) return
    if (result.kind === 'delivered') return this.#forget(address)
    if (result.kind !== 'permanent' || result.courier !== 'outside' || !deadStatuses.has(result.status)) return
    const { suppressionFailures, suppressionWindowMs, suppressionRefusalMs } = this.#limits
    const nowMs = this.#parts.clock.nowMs()
    const before = this.#known.get(address)
    if (before?.failures.some((it) => it.letter === letter)) return
    const recent = (before?.failures ?? []).filter(({ atMs }) => atMs > nowMs - suppressionWindowMs)
    const said = `${result.code} ${result.status} ${result.text}`.slice(0, 200)
    const failures = [...recent, { letter, atMs: nowMs, said }].slice(-suppressionFailures)
    const refusedUntilMs = failures.length >= suppressionFailures ? nowMs + suppressionRefusalMs : 0
    const record: DeadAddress = { address, failures, refusedUntilMs }
    this.#known.delete(address)
    this.#known.set(address, record)
    this.#sweep()
    this.#write(this.#parts.store.put(record))
  }

  /** Undefined: a letter may be sent there. */
  refusal(given: string): DeadAddress | undefined {
    if (this.#known.size === 0) return undefined
    const record = this.#known.get(canonicalAddress(given) ?? '')
    return record && record.refusedUntilMs > this.#parts.clock.nowMs() ? record : undefined
  }

  /** Latest failure first. */
  list(): DeadAddress[] {
    this.#sweep()
    return [...this.#known.values()].toReversed()
  }

  /** @throws SkeinError `not-suppressed` */
  async remove(given: string): Promise<void> {
    const address = canonicalAddress(given) ?? given
    if (!this.#known.delete(address)) {
      throw new SkeinError('not-suppressed', 'refused', `no letter to ${address} came back lately`)
    }
    await this.#parts.store.remove(address)
  }

  #forget(address: string): void {
    if (this.#known.delete(address)) this.#write(this.#parts.store.remove(address))
  }

  /** What is too old or too much. */
  #sweep(): void {
    const { suppressionWindowMs, suppressionAddressesMax } = this.#limits
    const nowMs = this.#parts.clock.nowMs()
    for (const [address, record] of this.#known) {
      const isOld = lastMs(record) <= nowMs - suppressionWindowMs && record.refusedUntilMs <= nowMs
      if (!isOld && this.#known.size <= suppressionAddressesMax) return
      this.#forget(address)
    }
  }

  /** Losing one on a disk in trouble costs a letter that comes back once more. */
  #write(written: Promise<void>): void {
    written.catch((error: unknown) =>
      this.#parts.logger.warn({ err: error }, 'a dead address could not be written down'),
    )
  }
}

function lastMs({ failures }: DeadAddress): number {
  return failures.at(-1)?.atMs ?? 0
}
