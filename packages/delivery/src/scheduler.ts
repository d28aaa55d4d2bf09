// Who is due, and whose turn it is: letters wait for their own time, then for a place at their destination. A destination
// that does not answer backs off as a whole and is asked again by one letter at a time; a sign of life ends that at once.
import type { Directory } from '@skein/accounts'
import type { Clock, Logger, NodeId, PeerLink, Random, Timer } from '@skein/runtime'
import { answers, isDestinationDown, isMapBehind } from './answers.ts'
import { DestinationLines, type Line } from './destination-lines.ts'
import { DestinationTurns, type DestinationTurnsComponents } from './destination-turns.ts'
import type { DestinationPaces } from './destination-pace.ts'
import { LetterAlarm } from './letter-alarm.ts'
import type { LetterKeeper } from './letter-keeper.ts'
import type { OtherWays } from './other-ways.ts'
import type { DeliveryLimits } from './limits.ts'
import type { Courier, DeliveryResult, Destination, QueueId, QueueItem, QueueRecipient } from './ports.ts'
import { dueRecipients, isOfAge, nextWakeMs, type Outcome } from './queue.ts'
import { retryPauseMs, type RetryTable } from './retry-schedule.ts'
import { destinationKey, routeRecipient, type Refusal, type RouteSettings } from './route.ts'

export interface SchedulerComponents {
  keeper: LetterKeeper
  couriers: Record<Destination['kind'], Courier>
  paces: DestinationPaces
  /** How letters leave through other nodes. */
  ways: Pick<OtherWays, 'wayOf' | 'mayLeave' | 'tried' | 'handOver'>
  directory: Directory
  link: Pick<PeerLink, 'onPeerChange'>
  clock: Clock
  random: Random
  logger: Logger
}

export interface LineStats {
  /** `local`, `peer <node id>` or `outside <domain>`. */
  destination: string
  waiting: number
  running: number
  failures: number
  /** 0 while it answers. */
  blockedUntilMs: number
}

/** By node and domain. */
type Elsewhere = Map<string, { node: NodeId; why: string; indexes: number[] }>

/** Letters are looked at again for their age no more often than this. */
const ageCheckMs = 1_000
/** Changes of the directory within this time count as one. */
const directoryPauseMs = 250

export class Scheduler {
  readonly #parts: SchedulerComponents
  readonly #limits: DeliveryLimits
  readonly #routes: RouteSettings
  readonly #alarm: LetterAlarm
  readonly #lines = new DestinationLines()
  readonly #turns: DestinationTurns
  readonly #agedMs = new Map<QueueId, number>()
  /** Letters that failed because two maps differed: due when ours changes. */
  readonly #mapBehind = new Set<QueueId>()
  readonly #unsubscribe: (() => void)[] = []
  #directoryTimer: Timer | undefined
  #directoryChanged = false
  #toRoute: { line: Line; id: QueueId }[] = []
  #started = false

  constructor(components: SchedulerComponents, limits: DeliveryLimits, routes: RouteSettings = {}) {
    this.#parts = components
    this.#limits = limits
    this.#routes = routes
    this.#alarm = new LetterAlarm(components.clock, (id, nowMs) => this.#ring(id, nowMs))
    const ended: DestinationTurnsComponents['ended'] = (...attempt) => this.#settle(...attempt)
    this.#turns = new DestinationTurns({ ...components, ended }, limits, this.#lines)
  }

  start(): void {
    const { link, directory, keeper } = this.#parts
    this.#started = true
    this.#turns.start()
    this.#unsubscribe.push(
      link.onPeerChange((peer, state) => {
        if (state === 'up') this.#signOfLife(peer)
      }),
      directory.onChange(() => {
        this.#directoryChanged = true
        this.#watchDirectory()
      }),
    )
    for (const letter of keeper.letters()) this.wake(letter.item.id)
  }

  /** Starts nothing more; what runs may end within `graceMs`, then is called off. */
  async stop(graceMs: number): Promise<void> {
    this.#started = false
    for (const unsubscribe of this.#unsubscribe.splice(0)) unsubscribe()
    this.#alarm.stop()
    this.#directoryTimer?.cancel()
    await this.#turns.stop(graceMs)
  }

  lines(): LineStats[] {
    return this.#lines.all().map((line) => ({
      destination: line.key,
      waiting: line.waiting.size,
      running: line.running,
      failures: line.failures,
      blockedUntilMs: line.failures > 0 ? line.blockedUntilMs : 0,
    }))
  }

  /** When that recipient's destination is asked again; undefined where the letter's own time counts. */
  blockedUntilMs(id: QueueId, index: number): number | undefined {
    const line = this.#lines.placesOf(id)?.get(index)
    return line && line.failures > 0 ? line.blockedUntilMs : undefined
  }

  /** The letter is new or has changed, or its time has come. */
  wake(id: QueueId): void {
    if (!this.#started) return
    const letter = this.#parts.keeper.get(id)
    if (letter?.phase !== 'open') return this.#forget(id)
    const waiting = this.#lines.placesOf(id)
    const due = dueRecipients(letter, this.#parts.clock.nowMs()).filter((it) => !waiting?.has(it.index))
    if (due.length > 0) this.#dispatch(id, due)
    this.#plan(id)
  }

  /** An operator's word: what this letter waits for is tried now, destinations in back-off too. */
  hurry(id: QueueId): void {
    for (const line of new Set(this.#lines.placesOf(id)?.values())) {
      this.#lines.toFront(line, id)
      line.blockedUntilMs = 0
      this.#turns.pump(line)
    }
    this.wake(id)
  }

  #forget(id: QueueId): void {
    this.#alarm.set(id, undefined)
    this.#agedMs.delete(id)
    this.#mapBehind.delete(id)
    for (const line of this.#lines.leaveAll(id)) this.#turns.tidy(line)
  }

  /** Looks up where these recipients go and puts them in line there. */
  #dispatch(id: QueueId, due: readonly QueueRecipient[]): void {
    const { directory, keeper, clock, ways } = this.#parts
    const priority = keeper.get(id)?.item.options?.priority
    const lines = new Set<Line>()
    const refused: Outcome[] = []
    const elsewhere: Elsewhere = new Map()
    for (const recipient of due) {
      const { index } = recipient
      const route = routeRecipient(directory, recipient, this.#routes)
      if (route.kind === 'refused') refused.push({ index, result: this.#refusal(route), retryAtMs: 0 })
      else if (route.kind !== 'outside' || this.#leavesByOwnWay(id, recipient, route.domain, elsewhere)) {
        lines.add(this.#lines.enter(id, index, route, priority))
      }
    }
    for (const { node, why, indexes } of elsewhere.values()) ways.handOver(id, indexes, node, why)
    if (refused.length > 0) keeper.apply(id, { event: 'attempted', atMs: clock.nowMs(), outcomes: refused })
    for (const line of lines) {
      const indexes = line.waiting.get(id)
      if (line.failures > 0 && line.trouble && indexes) {
        const { blockedUntilMs: untilMs, trouble: result } = line
        if (keeper.get(id)?.item.errand && untilMs > clock.nowMs()) {
          // Another node's letter does not wait here for what this node could not reach a moment ago.
          const back = [...indexes]
          for (const index of back) this.#lines.leave(line, id, index)
          this.#giveBack(id, back, result)
          continue
        }
        keeper.apply(id, { event: 'deferred', indexes: [...indexes], untilMs, result })
      }
      this.#turns.pump(line)
    }
  }

  /** False: a peer sends it, or it waits for one. */
  #leavesByOwnWay(id: QueueId, recipient: QueueRecipient, domain: string, elsewhere: Elsewhere): boolean {
    const { keeper, ways, clock, directory, random } = this.#parts
    const item = keeper.get(id)?.item
    if (!item) return true
    const line = this.#lines.get(destinationKey({ kind: 'outside', domain }))
    const nowMs = clock.nowMs()
    const isBackingOff = line !== undefined && line.failures > 0 && line.blockedUntilMs > nowMs
    const way = ways.wayOf(item, recipient, domain, isBackingOff)
    const { index } = recipient
    if (way.kind === 'own') return true
    if (way.kind === 'peer') {
      const group = elsewhere.get(`${way.node} ${domain}`)
      if (group) group.indexes.push(index)
      else elsewhere.set(`${way.node} ${domain}`, { node: way.node, why: way.why, indexes: [index] })
      return false
    }
    const own = recipient.refusedWays?.find((it) => it.node === directory.self)?.result
    const isPatient = own?.kind === 'permanent' && nowMs < own.atMs + this.#limits.otherWayWaitMaxMs
    if (way.kind === 'wait' && own && isPatient) {
      const untilMs = nowMs + this.#limits.otherWayPauseMs * (0.75 + 0.5 * random.next())
      keeper.apply(id, { event: 'deferred', indexes: [index], untilMs, result: own })
      return false
    }
    // A domain that does not answer has a line, and all wait there together.
    const retryAtMs = isBackingOff ? nowMs : nowMs + retryPauseMs('outside', recipient.attempts, random)
    keeper.apply(id, { event: 'no-way', atMs: nowMs, indexes: [index], self: directory.self, retryAtMs })
    return false
  }

  /** Another node's letter: no further attempt here. */
  #giveBack(id: QueueId, indexes: readonly number[], result: DeliveryResult): void {
    const { keeper, clock } = this.#parts
    const outcomes = indexes.map((index): Outcome => ({ index, result, retryAtMs: 0, final: true }))
    keeper.apply(id, { event: 'attempted', atMs: clock.nowMs(), outcomes })
  }

  /** A peer gets through to that domain: what waits for it need not wait. */
  betterWay(domain: string): void {
    if (!this.#started) return
    const line = this.#lines.get(destinationKey({ kind: 'outside', domain }))
    if (!line || line.failures === 0) return
    this.#toRoute.push(...[...line.waiting.keys()].map((id) => ({ line, id })))
    this.#watchDirectory()
  }

  #refusal({ code, status, text }: Refusal): DeliveryResult {
    const { clock, directory } = this.#parts
    return { atMs: clock.nowMs(), kind: 'permanent', code, status, text, courier: 'local', hop: directory.self }
  }

  #settle(
    line: Line,
    era: number,
    id: QueueId,
    recipients: readonly QueueRecipient[],
    results: readonly DeliveryResult[],
  ): void {
    const { keeper, clock, random, directory } = this.#parts
    const { kind } = line.destination
    const causes = this.#causes(line, id, recipients, results)
    const isDown = kind !== 'local' && isDestinationDown(results)
    // Many fail together when a line breaks: that is one failure. Those that it broke under may hear of it after it is back.
    if (isDown && era === line.era) {
      const longestMs = kind === 'peer' ? this.#limits.peerBackOffMaxMs : this.#limits.outsideBackOffMaxMs
      line.era++
      line.failures++
      line.trouble = results[0] as DeliveryResult
      line.blockedUntilMs = clock.nowMs() + Math.min(longestMs, retryPauseMs(kind, line.failures, random))
    }
    if (isDown && !causes.some((it) => it.final || it.refusedWay)) {
      const result = results[0] as DeliveryResult
      const indexes = recipients.map((it) => it.index)
      const { priority } = keeper.get(id)?.item.options ?? {}
      for (const index of indexes) this.#lines.enter(id, index, line.destination, priority)
      keeper.apply(id, { event: 'deferred', indexes, untilMs: line.blockedUntilMs, result })
      return
    }
    if (!isDown) {
      line.failures = 0
      line.trouble = null
    }
    if (results.some(isMapBehind)) this.#mapBehind.add(id)
    else this.#mapBehind.delete(id)
    const nowMs = clock.nowMs()
    const missing: DeliveryResult = { ...answers.internal, atMs: nowMs, courier: kind, hop: directory.self }
    const outcomes = recipients.map((recipient, at): Outcome => {
      const result = results[at] ?? missing
      const pauseMs = retryPauseMs(retryTable(result), recipient.attempts + 1, random)
      return { index: recipient.index, result, retryAtMs: nowMs + pauseMs, ...causes[at] }
    })
    keeper.apply(id, { event: 'attempted', atMs: nowMs, outcomes })
  }

  /** What each answer of an outside domain is about, and whether another node may do better. */
  #causes(
    line: Line,
    id: QueueId,
    recipients: readonly QueueRecipient[],
    results: readonly DeliveryResult[],
  ): Pick<Outcome, 'refusedWay' | 'final'>[] {
    const { keeper, ways, directory } = this.#parts
    const item: QueueItem | undefined = keeper.get(id)?.item
    if (line.destination.kind !== 'outside' || !item) return []
    const { domain } = line.destination
    return recipients.map((recipient, at) => {
      const result = results[at]
      if (!result) return {}
      const isRepeated = recipient.lastResult?.code === 421 && recipient.lastResult.courier === 'outside'
      const cause = ways.tried(item, domain, result, isRepeated)
      if (cause === 'other') return {}
      if (item.errand) return { final: true }
      return ways.mayLeave(item, domain) ? { refusedWay: directory.self } : {}
    })
  }

  #signOfLife(peer: NodeId): void {
    const line = this.#lines.get(`peer ${peer}`)
    if (!line) return
    line.era++
    line.failures = 0
    line.blockedUntilMs = 0
    line.trouble = null
    this.#turns.pump(line)
    this.#turns.tidy(line)
  }

  #watchDirectory(): void {
    this.#directoryTimer ??= this.#parts.clock.setTimer(directoryPauseMs, () => {
      this.#directoryTimer = undefined
      if (this.#directoryChanged) this.#tryAgainWithNewMap()
      if (this.#directoryChanged && this.#toRoute.length === 0) {
        this.#toRoute = this.#lines.all().flatMap((line) => [...line.waiting.keys()].map((id) => ({ line, id })))
        this.#directoryChanged = false
      }
      this.#routeSome()
      if (this.#toRoute.length > 0 || this.#directoryChanged) this.#watchDirectory()
    })
  }

  #tryAgainWithNewMap(): void {
    const { keeper, clock } = this.#parts
    for (const id of this.#mapBehind) {
      this.#mapBehind.delete(id)
      for (const it of keeper.get(id)?.item.recipients ?? []) {
        if (it.state !== 'pending' || it.lastResult === null || !isMapBehind(it.lastResult)) continue
        keeper.apply(id, { event: 'deferred', indexes: [it.index], untilMs: clock.nowMs(), result: it.lastResult })
      }
    }
  }

  /** Those in line whose way has changed go to their new line: a part of them at a time. */
  #routeSome(): void {
    for (const { line, id } of this.#toRoute.splice(-this.#limits.rerouteLettersMax)) {
      for (const it of this.#parts.keeper.get(id)?.item.recipients ?? []) {
        if (!line.waiting.get(id)?.has(it.index)) continue
        const route = routeRecipient(this.#parts.directory, it, this.#routes)
        // Those that wait for a domain which does not answer may have found another way out.
        const isStuck = line.failures > 0 && line.destination.kind === 'outside'
        if (route.kind !== 'refused' && destinationKey(route) === line.key && !isStuck) continue
        this.#lines.leave(line, id, it.index)
        this.#dispatch(id, [it])
      }
      this.#turns.tidy(line)
    }
  }

  #plan(id: QueueId): void {
    const letter = this.#parts.keeper.get(id)
    if (!letter) return
    const agedMs = this.#agedMs.get(id)
    const waiting = new Set(this.#lines.placesOf(id)?.keys())
    let atMs = nextWakeMs(letter, waiting, this.#limits)
    if (atMs !== undefined && agedMs !== undefined) atMs = Math.max(atMs, agedMs + ageCheckMs)
    this.#alarm.set(id, atMs)
  }

  /** The moment that was planned for the letter has come. */
  #ring(id: QueueId, nowMs: number): void {
    const { keeper } = this.#parts
    const item = keeper.get(id)?.item
    if (item && isOfAge(item, nowMs, this.#limits)) {
      this.#agedMs.set(id, nowMs)
      keeper.apply(id, { event: 'aged', atMs: nowMs })
    }
    this.wake(id)
  }
}

function retryTable(result: DeliveryResult): RetryTable {
  if (result.courier === 'outside') return 'outside'
  return isMapBehind(result) ? 'peer' : 'mailbox'
}
