// Whose turn it is at each destination, and the deliveries that run: so many at once as it may have, none while it is left alone,
// and never so many for slow domains outside that the others have to wait.
import type { Directory } from '@skein/accounts'
import type { Clock, Logger } from '@skein/runtime'
import { answers } from './answers.ts'
import type { DestinationLines, Line } from './destination-lines.ts'
import type { DestinationPaces } from './destination-pace.ts'
import type { LetterKeeper } from './letter-keeper.ts'
import type { DeliveryLimits } from './limits.ts'
import type { Courier, DeliveryResult, Destination, QueueId, QueueRecipient } from './ports.ts'

export interface DestinationTurnsComponents {
  keeper: LetterKeeper
  couriers: Record<Destination['kind'], Courier>
  paces: DestinationPaces
  directory: Pick<Directory, 'self'>
  clock: Clock
  logger: Logger
  /** A courier is done. `era`: of the line, when it began. */
  ended(
    line: Line,
    era: number,
    id: QueueId,
    recipients: readonly QueueRecipient[],
    results: readonly DeliveryResult[],
  ): void
}

/** For each place that a domain has, so many must be free before it gets another. */
const placesLeftForOthers = 6
/** Lines that are looked at for one place that is free; the others come with the next. */
const sharedLooksMax = 64

export class DestinationTurns {
  readonly #parts: DestinationTurnsComponents
  readonly #limits: DeliveryLimits
  readonly #lines: DestinationLines
  readonly #running = new Map<Promise<void>, AbortController>()
  #outsideRunning = 0
  /** Outside lines that wait for a place among all outside deliveries; whoever waits longest comes first. */
  readonly #short = new Set<Line>()
  #isOpen = false

  constructor(components: DestinationTurnsComponents, limits: DeliveryLimits, lines: DestinationLines) {
    this.#parts = components
    this.#limits = limits
    this.#lines = lines
  }

  start(): void {
    this.#isOpen = true
  }

  /** Starts nothing more; what runs may end within `graceMs`, then is called off. */
  async stop(graceMs: number): Promise<void> {
    this.#isOpen = false
    for (const line of this.#lines.all()) line.timer?.cancel()
    const grace = this.#parts.clock.setTimer(graceMs, () => {
      for (const controller of this.#running.values()) controller.abort()
    })
    while (this.#running.size > 0) await Promise.all(this.#running.keys())
    grace.cancel()
  }

  #runningMax(line: Line): number {
    if (line.failures > 0) return 1
    if (line.destination.kind === 'local') return this.#limits.localDeliveriesAtOnceMax
    if (line.destination.kind === 'peer') return this.#limits.peerDeliveriesAtOnceMax
    const most = this.#parts.paces.atOnceMax(line.destination.domain)
    if (line.running >= most) return most
    // A further place only while many more are left than the line has: slow domains never take the last ones from all others.
    const left = this.#limits.outsideDeliveriesAtOnceMax - this.#outsideRunning
    if (left > line.running * placesLeftForOthers) return line.running + 1
    this.#short.add(line)
    return line.running
  }

  /** Gives places to those who wait, as far as there are any. */
  pump(line: Line): void {
    while (this.#isOpen && line.waiting.size > 0 && line.running < this.#runningMax(line)) {
      if (this.#backsOff(line) || this.#keepsPace(line)) return
      const id = line.order.first() as QueueId
      const indexes = line.waiting.get(id) as Set<number>
      const letter = this.#parts.keeper.get(id)
      const recipients =
        letter?.phase !== 'open'
          ? []
          : letter.item.recipients.filter(
              (it) => indexes.has(it.index) && it.state === 'pending' && !letter.running.has(it.index),
            )
      for (const index of indexes) this.#lines.leave(line, id, index)
      if (recipients.length > 0) this.#run(line, id, recipients)
    }
  }

  /** True while the destination is left alone. */
  #backsOff(line: Line): boolean {
    if (line.failures === 0) return false
    return this.#looksAgain(line, line.blockedUntilMs - this.#parts.clock.nowMs())
  }

  /** True while the destination has had its letters of this minute. */
  #keepsPace(line: Line): boolean {
    const { destination } = line
    return destination.kind === 'outside' && this.#looksAgain(line, this.#parts.paces.waitMs(destination.domain))
  }

  /** True where there is to wait; then the line is looked at again at the end of that time. */
  #looksAgain(line: Line, leftMs: number): boolean {
    if (leftMs <= 0) return false
    line.timer ??= this.#parts.clock.setTimer(leftMs, () => {
      line.timer = undefined
      this.pump(line)
      this.tidy(line)
    })
    return true
  }

  /** Where nothing is left to do at a destination, its line goes. */
  tidy(line: Line): void {
    if (line.waiting.size > 0 || line.running > 0 || (this.#isOpen && this.#backsOff(line))) return
    this.#short.delete(line)
    this.#lines.remove(line)
  }

  #run(line: Line, id: QueueId, recipients: QueueRecipient[]): void {
    const { keeper, couriers, logger, clock, directory, ended } = this.#parts
    const letter = keeper.get(id)
    if (!letter) return
    const { era, destination } = line
    const { kind } = destination
    line.running++
    if (kind === 'outside') this.#outsideRunning++
    const startedMs = kind === 'outside' ? this.#parts.paces.started(destination.domain) : 0
    keeper.apply(id, { event: 'started', indexes: recipients.map((it) => it.index) })
    const controller = new AbortController()
    const work = couriers[kind]
      .deliver({ item: letter.item, recipients }, destination, controller.signal)
      .catch((error: unknown): DeliveryResult[] => {
        logger.error({ err: error, queueId: id, destination: line.key }, 'a courier failed')
        const result = { ...answers.internal, atMs: clock.nowMs(), courier: kind, hop: directory.self }
        return recipients.map(() => result)
      })
      .then((results) => {
        this.#running.delete(work)
        line.running--
        if (kind === 'outside') {
          this.#outsideRunning--
          this.#parts.paces.ended(destination.domain, startedMs, results)
        }
        ended(line, era, id, recipients, results)
        if (kind === 'outside') this.#shareOut(line)
        else this.pump(line)
        this.tidy(line)
      })
      // A mistake of ours: it costs this letter its turn until the next start, not everybody the node.
      .catch((error: unknown) => logger.error({ err: error, queueId: id }, 'the outcome of a delivery was lost'))
    this.#running.set(work, controller)
  }

  /** A place is free: the line that had it comes after those that wait already. */
  #shareOut(line: Line): void {
    if (this.#short.size === 0) return this.pump(line)
    this.#short.delete(line)
    this.#short.add(line)
    let looks = 0
    for (const next of this.#short) {
      if (this.#outsideRunning >= this.#limits.outsideDeliveriesAtOnceMax || looks++ > sharedLooksMax) break
      this.#short.delete(next)
      this.pump(next)
      this.tidy(next)
      // Whoever got nothing went back to the end.
      if (next === line) break
    }
  }
}
