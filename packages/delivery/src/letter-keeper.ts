// Holds the letters of the queue, feeds their events to the state machine and carries out its effects in their order,
// one after the other for each letter; what the disk refuses is tried again until it is done.
import type { MessageLog } from '@skein/mailboxes'
import { SkeinError, type Clock, type Logger, type Timer } from '@skein/runtime'
import { isInMailbox } from './answers.ts'
import type { QueueId, QueueItem, QueueRecipient, QueueStore } from './ports.ts'
import {
  next,
  openLetter,
  openReport,
  type Letter,
  type LetterEffect,
  type LetterEvent,
  type LetterLimits,
  type ReportKind,
} from './queue.ts'
import type { Tracer } from './trace.ts'

export interface LetterKeeperComponents {
  queue: QueueStore
  log: MessageLog
  tracer: Tracer
  clock: Clock
  logger: Logger
  /** Puts a notice to the sender durably into the queue. */
  report(item: QueueItem, recipients: readonly QueueRecipient[], kind: ReportKind, notice: number): Promise<void>
  /** Another node's letter is final here: that node is told until it has taken note. */
  answerOrigin(item: QueueItem): void
  /** The letter has changed or is over. */
  changed(id: QueueId): void
  /** Its record is gone. */
  closed(item: QueueItem): void
}

interface Kept {
  letter: Letter
  effects: LetterEffect[]
  working: boolean
  /** Its record has been taken away durably. */
  isGone: boolean
  retry: Timer | undefined
  /** Called when every change so far is on the disk. */
  onStored: (() => void)[]
}

const retryPauseMs = 5_000

export class LetterKeeper {
  readonly #parts: LetterKeeperComponents
  readonly #limits: LetterLimits
  readonly #kept = new Map<QueueId, Kept>()
  readonly #work = new Set<Promise<void>>()
  #stopped = false

  constructor(components: LetterKeeperComponents, limits: LetterLimits) {
    this.#parts = components
    this.#limits = limits
  }

  get size(): number {
    return this.#kept.size
  }

  get(id: QueueId): Letter | undefined {
    return this.#kept.get(id)?.letter
  }

  /** In the order in which they came in or were found. */
  letters(): Letter[] {
    return Array.from(this.#kept.values(), (kept) => kept.letter)
  }

  /** A letter whose record is in the store. A second one with the same id is the same letter. */
  admit(item: QueueItem): void {
    if (this.#kept.has(item.id)) return
    const { letter, effects } = openLetter(item)
    const kept: Kept = { letter, effects: [], working: false, isGone: false, retry: undefined, onStored: [] }
    this.#kept.set(item.id, kept)
    this.#take(kept, letter, effects)
  }

  /** @throws SkeinError `no-such-letter` */
  apply(id: QueueId, event: LetterEvent): void {
    const kept = this.#kept.get(id)
    if (!kept) throw new SkeinError('no-such-letter', 'refused', `there is no letter ${id} in the queue`)
    const { letter, effects } = next(kept.letter, event, this.#limits)
    this.#take(kept, letter, effects)
  }

  /** The same; resolves when the change is on the disk. Never, where the node stops before that. */
  async applyDurably(id: QueueId, event: LetterEvent): Promise<void> {
    const kept = this.#kept.get(id)
    this.apply(id, event)
    if (kept?.effects.some(isStore)) await new Promise<void>((resolve) => kept.onStored.push(resolve))
  }

  /** Resolves when no effect is being carried out; what waits for the disk to recover stays undone. */
  async stop(): Promise<void> {
    this.#stopped = true
    for (const kept of this.#kept.values()) kept.retry?.cancel()
    while (this.#work.size > 0) await Promise.all(this.#work)
  }

  #take(kept: Kept, letter: Letter, effects: readonly LetterEffect[]): void {
    kept.letter = letter
    const { tracer } = this.#parts
    tracer.record(
      letter.item,
      effects.flatMap((it) => {
        if (it.effect !== 'trace') return []
        const said = it.result ? tracer.sentence(it.result) : ''
        const detail = it.why !== '' && said !== '' ? `${it.why}: ${said}` : it.why + said
        return [{ what: it.what, recipient: it.recipient, detail }]
      }),
    )
    for (const effect of effects) if (effect.effect !== 'trace' && !isAsked(kept, effect)) kept.effects.push(effect)
    this.#start(kept)
    this.#parts.changed(letter.item.id)
  }

  #start(kept: Kept): void {
    if (kept.working || kept.retry || this.#stopped || kept.effects.length === 0) return
    kept.working = true
    const work = this.#carryOut(kept).finally(() => this.#work.delete(work))
    this.#work.add(work)
  }

  async #carryOut(kept: Kept): Promise<void> {
    const { clock, logger } = this.#parts
    const id = kept.letter.item.id
    try {
      for (let effect = kept.effects[0]; effect && !this.#stopped; effect = kept.effects[0]) {
        await this.#act(kept, effect)
      }
    } catch (error) {
      logger.error({ err: error, queueId: id }, 'a step of a letter failed; it will be tried again')
      if (!this.#stopped) {
        kept.retry = clock.setTimer(retryPauseMs, () => {
          kept.retry = undefined
          this.#start(kept)
        })
      }
    } finally {
      kept.working = false
    }
  }

  /** Takes the effect off the list once it is done. */
  async #act(kept: Kept, effect: LetterEffect): Promise<void> {
    const { queue, log, report } = this.#parts
    const { item } = kept.letter
    if (effect.effect === 'store') {
      // The record is written as it is now: this serves every write that was asked for so far.
      const served = new Set<LetterEffect>(kept.effects.filter((it) => it.effect === 'store'))
      // Where the letter is over with that, the record's going away says all of it in the one write.
      kept.isGone = kept.effects.find((it) => it.effect !== 'store')?.effect === 'close'
      await (kept.isGone ? queue.remove(item.id, true) : queue.put(item))
      kept.effects = kept.effects.filter((it) => !served.has(it))
      if (!kept.effects.some(isStore)) for (const tell of kept.onStored.splice(0)) tell()
    } else if (effect.effect === 'answer-origin') {
      this.#parts.answerOrigin(item)
      kept.effects.shift()
    } else if (effect.effect === 'report') {
      const open = openReport(item, effect)
      if (open) await report(item, open, effect.kind, effect.notice)
      kept.effects.shift()
      if (open) {
        this.apply(item.id, { event: 'reported', kind: effect.kind, indexes: open.map((it) => it.index) })
      }
    } else if (effect.effect === 'close') {
      if (!kept.isGone) await queue.remove(item.id)
      // What went into a mailbox here is the mailbox's to let go of.
      if (!item.recipients.some(isInMailboxHere)) log.release(item.blob)
      kept.effects.shift()
      this.#kept.delete(item.id)
      this.#parts.closed(item)
      this.#parts.changed(item.id)
    } else kept.effects.shift()
  }
}

function isStore(effect: LetterEffect): boolean {
  return effect.effect === 'store'
}

/** The same is waiting to be done already: a disk that is in trouble for long does not make the list grow. */
function isAsked(kept: Kept, effect: LetterEffect): boolean {
  // The first one may be under way with an older record.
  const waiting = kept.working ? kept.effects.slice(1) : kept.effects
  if (effect.effect === 'store') return waiting.at(-1)?.effect === 'store'
  return (
    effect.effect === 'report' &&
    waiting.some((it) => it.effect === 'report' && it.kind === effect.kind && it.notice === effect.notice)
  )
}

function isInMailboxHere({ state, lastResult }: QueueRecipient): boolean {
  return state === 'delivered' && lastResult !== null && isInMailbox(lastResult)
}
