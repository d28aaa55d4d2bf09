// One letter's life as a pure function: next(letter, event) -> letter + effects. Nothing here waits, writes or reads a clock.
// The table in README.md shows the states, who enters, who leaves, and what a crash leaves behind.
import { assert, type NodeId } from '@skein/runtime'
import { wantsNotice, type DeliveryResult, type QueueItem, type QueueRecipient } from './ports.ts'
import {
  awaitingGrant,
  granted,
  isUnder,
  offered,
  takenBack,
  withoutOwnRefusal,
  withRefusedWay,
  withWish,
  type HandOverEvent,
} from './queue-hand-over.ts'

/**
 * open: some recipient is not final. reporting: all are, and the sender is owed a notice that is not durable yet.
 * closed: nothing is left to do. `running`: indexes that a courier has in its hands now (never stored).
 * `cancelled`: an operator's word that came while couriers were at it; carried out as they return.
 */
export type Letter =
  | { phase: 'open'; item: QueueItem; running: ReadonlySet<number>; cancelled: false | 'told' | 'silent' }
  | { phase: 'reporting'; item: QueueItem }
  | { phase: 'closed'; item: QueueItem }

/**
 * success: RFC 3461 §4.1. expansion: an address that stood for several (§5.2.7.3). late: the moment that the sender set has
 * passed (RFC 2852 §4). Every kind but `delay` and `late` is owed in the record until its notice is durable.
 */
export type ReportKind = 'failure' | 'delay' | 'late' | 'success' | 'expansion'

export interface Outcome {
  index: number
  result: DeliveryResult
  /** For a temporary result: when to try again. */
  retryAtMs: number
  /** Refused for the sake of the address of this node, or of the peer that tried: another one may do better. */
  refusedWay?: NodeId
  /** No further attempt, whatever the kind: this node only tries for another. */
  final?: boolean
  /** Came back unsent, as an operator wished. */
  recalled?: boolean
}

export type LetterEvent =
  /** A courier takes these recipients. */
  | { event: 'started'; indexes: readonly number[] }
  /** A courier is done with these, or the map refuses them. */
  | { event: 'attempted'; atMs: number; outcomes: readonly Outcome[] }
  /** The destination is down: not an attempt of this letter's own. */
  | { event: 'deferred'; indexes: readonly number[]; untilMs: number; result: DeliveryResult }
  /** Time has passed: who has waited too long, who should hear of the delay. */
  | { event: 'aged'; atMs: number }
  | { event: 'retry'; atMs: number }
  | { event: 'hold' }
  | { event: 'release'; atMs: number }
  | { event: 'cancel'; atMs: number; silent: boolean }
  /** The notice about these recipients is durably in the queue. */
  | { event: 'reported'; kind: ReportKind; indexes: readonly number[] }
  | HandOverEvent
  /** The peer says what came of all that it had under this ticket; or it is lost, and nobody will say. */
  | { event: 'relayed'; atMs: number; ticket: string; outcomes: readonly Outcome[] }
  /** For another node's letter: that node lets this one send it now; and later has taken note of what came of it. */
  | { event: 'let-go'; atMs: number; hurry?: boolean }
  | { event: 'origin-knows' }

export type LetterEffect =
  /** Make the record durable as it is now, before the effects that follow. */
  | { effect: 'store' }
  /** Tell the sender (RFC 3464); then comes the event `reported`. */
  | { effect: 'report'; kind: ReportKind; notice: number; indexes: readonly number[] }
  /** Another node's letter: tell it what came of it; then comes the event `origin-knows`. */
  | { effect: 'answer-origin' }
  /** Remove the record and let go of the bytes. */
  | { effect: 'close' }
  /** `result`: what the other side said, where that is the reason. */
  | { effect: 'trace'; what: string; recipient: string; why: string; result: DeliveryResult | null }

export interface LetterLimits {
  queueLifetimeMs: number
  delayNoticeAfterMs: number
  errandKeepMs: number
}

export interface Step {
  letter: Letter
  effects: LetterEffect[]
}

const nobody: ReadonlySet<number> = new Set()

/** A letter as it comes in, or as it is found in the store at start. */
export function openLetter(item: QueueItem): Step {
  return settle({ phase: 'open', item: awaitingGrant(item), running: nobody, cancelled: false }, [])
}

export function next(letter: Letter, event: LetterEvent, limits: LetterLimits): Step {
  if (event.event === 'reported') return reported(letter, event)
  if (event.event === 'origin-knows') return originKnows(letter)
  // What comes late for a letter that is over changes nothing.
  if (letter.phase !== 'open') return { letter, effects: [] }
  // Another node's letter moves at that node's word; only taking it out is for this node's operators too.
  if (letter.item.errand && ['hold', 'release', 'retry'].includes(event.event)) return { letter, effects: [] }
  switch (event.event) {
    case 'started':
      return { letter: { ...letter, running: new Set([...letter.running, ...event.indexes]) }, effects: [] }
    case 'attempted':
      return attempted(letter, event, limits)
    case 'deferred':
      return deferred(letter, event)
    case 'aged':
      return aged(letter, event.atMs, limits)
    case 'cancel':
      return cancel(letter, event)
    case 'hold':
      return change(letter, (it) => hold(it), 'held')
    case 'release':
      return change(
        letter,
        (it) => (it.state === 'held' ? { ...it, state: 'pending', nextAttemptMs: releasedMs(letter, event.atMs) } : it),
        'retried',
      )
    case 'retry':
      return change(
        letter,
        (it) =>
          isFinal(it) || it.state === 'handed-over' ? it : { ...it, state: 'pending', nextAttemptMs: event.atMs },
        'retried',
      )
    case 'let-go':
      return letGo(letter, event)
    case 'relayed':
      return relayed(letter, event, limits)
    case 'offered':
    case 'granted':
    case 'not-taken':
    case 'no-way':
      return handOver(letter, event)
    default:
      return { letter, effects: [] }
  }
}

/** How long a letter is tried here. */
function lifetimeMs(item: QueueItem, limits: LetterLimits): number {
  return item.errand ? limits.errandKeepMs : limits.queueLifetimeMs
}

export function isFinal(recipient: QueueRecipient): boolean {
  return recipient.state === 'delivered' || recipient.state === 'failed' || recipient.state === 'cancelled'
}

/** From when on a letter ages: its sender may have asked for it to lie for a while (RFC 4865). */
export function ageStartMs({ receivedMs, options }: QueueItem): number {
  return Math.max(receivedMs, options?.holdUntilMs ?? 0)
}

/** Released by an operator: its sender's word counts again. */
function releasedMs({ item }: Letter, atMs: number): number {
  return Math.max(atMs, item.options?.holdUntilMs ?? 0)
}

/** True where `aged` may change something. */
export function isOfAge(item: QueueItem, nowMs: number, limits: LetterLimits): boolean {
  const ageMs = nowMs - ageStartMs(item)
  return ageMs >= Math.min(limits.delayNoticeAfterMs, limits.queueLifetimeMs) || isPastDue(item, nowMs)
}

function isPastDue({ options }: QueueItem, nowMs: number): boolean {
  return options?.deliverBy !== undefined && nowMs >= options.deliverBy.atMs
}

function wantsDelayNotice(item: QueueItem, recipient: QueueRecipient): boolean {
  return item.from !== '' && !item.errand && !recipient.delayNoticeSent && wantsNotice(recipient.options, 'delay')
}

function wantsLateNotice(item: QueueItem, recipient: QueueRecipient): boolean {
  if (item.options?.deliverBy?.mode !== 'notify' || item.from === '' || item.errand) return false
  return !recipient.deliverByTold && wantsNotice(recipient.options, 'delay')
}

/** Recipients whose time has come and whom no courier has in hand. */
export function dueRecipients(letter: Letter, nowMs: number): QueueRecipient[] {
  if (letter.phase !== 'open') return []
  return letter.item.recipients.filter(
    (it) => it.state === 'pending' && it.nextAttemptMs <= nowMs && !letter.running.has(it.index),
  )
}

/**
 * When something is next to be done for the letter without anyone's asking; undefined: never.
 * `waiting`: indexes whose turn comes when their destination has one; of these only the age counts.
 */
export function nextWakeMs(letter: Letter, waiting: ReadonlySet<number>, limits: LetterLimits): number | undefined {
  if (letter.phase !== 'open') return undefined
  const { item } = letter
  let wakeMs: number | undefined
  const earlier = (ms: number) => {
    if (wakeMs === undefined || ms < wakeMs) wakeMs = ms
  }
  const startMs = ageStartMs(item)
  const deliverBy = item.options?.deliverBy
  for (const it of item.recipients) {
    if (it.state !== 'pending' || letter.running.has(it.index)) continue
    earlier(startMs + lifetimeMs(item, limits))
    if (!waiting.has(it.index)) earlier(it.nextAttemptMs)
    if (wantsDelayNotice(item, it)) earlier(startMs + limits.delayNoticeAfterMs)
    if (deliverBy && (deliverBy.mode === 'return' || wantsLateNotice(item, it))) earlier(deliverBy.atMs)
  }
  return wakeMs
}

type OpenLetter = Extract<Letter, { phase: 'open' }>

function attempted(
  letter: OpenLetter,
  event: Extract<LetterEvent, { event: 'attempted' }>,
  limits: LetterLimits,
): Step {
  const outcomes = new Map(event.outcomes.map((outcome) => [outcome.index, outcome]))
  const running = new Set(letter.running)
  const effects: LetterEffect[] = []
  const expired = event.atMs >= ageStartMs(letter.item) + lifetimeMs(letter.item, limits)
  let outsideDelivered = false
  const notice = newNotice()
  const success = newNotice()
  const recipients = letter.item.recipients.map((before): QueueRecipient => {
    const outcome = outcomes.get(before.index)
    if (!outcome || isFinal(before)) return before
    running.delete(before.index)
    const { result } = outcome
    const { handOver: _, ...kept } = before
    // What a peer's address was refused is no reason to wait longer with this node's own.
    const isOwnTry = before.handOver === undefined || outcome.refusedWay === undefined
    const after = { ...kept, attempts: before.attempts + (isOwnTry ? 1 : 0), lastResult: result }
    if (result.kind === 'delivered') {
      outsideDelivered ||= result.courier === 'outside'
      effects.push(trace(result.courier === 'local' ? 'delivered' : 'handed-over', before, '', result))
      return oweSuccess(letter.item, { ...after, state: 'delivered' }, result, success)
    }
    const wish = before.handOver?.wish
    if (wish === 'hold' && outcome.recalled) {
      effects.push(trace('held', before, 'came back unsent', null))
      return { ...after, state: 'held' }
    }
    if (wish === 'cancel' || wish === 'cancel-silently') {
      return cancelled(letter, after, wish === 'cancel' ? 'told' : 'silent', notice, effects)
    }
    if (letter.cancelled) return cancelled(letter, after, letter.cancelled, notice, effects)
    if (outcome.refusedWay !== undefined && !outcome.final && !(expired && before.state === 'pending')) {
      effects.push(trace('deferred', before, 'another way is looked for', result))
      return { ...withRefusedWay(after, { node: outcome.refusedWay, result }), nextAttemptMs: event.atMs }
    }
    if (result.kind === 'permanent' || outcome.final) {
      effects.push(trace('failed', before, '', result))
      return fail(letter.item, after, notice)
    }
    if (expired && before.state === 'pending') {
      effects.push(trace('failed', before, 'given up after the last attempt', result))
      return fail(letter.item, after, notice)
    }
    effects.push(trace('deferred', before, '', result))
    return { ...after, nextAttemptMs: outcome.retryAtMs }
  })
  const item = { ...letter.item, recipients }
  // What an outside server took must be remembered: it would take it again. Peers and mailboxes know a delivery by its id.
  const forget = recipients.every((it) => it.state === 'delivered' && !it.successOwed) && !outsideDelivered
  if (!forget) effects.push({ effect: 'store' })
  return settle({ ...letter, item, running }, effects)
}

function deferred(letter: OpenLetter, event: Extract<LetterEvent, { event: 'deferred' }>): Step {
  const indexes = new Set(event.indexes)
  const running = new Set([...letter.running].filter((index) => !indexes.has(index)))
  const effects: LetterEffect[] = []
  const notice = newNotice()
  const recipients = letter.item.recipients.map((before): QueueRecipient => {
    if (!indexes.has(before.index) || isFinal(before)) return before
    if (letter.cancelled) return cancelled(letter, before, letter.cancelled, notice, effects)
    if (before.lastResult?.text !== event.result.text || before.lastResult.hop !== event.result.hop) {
      effects.push(trace('deferred', before, '', event.result))
    }
    return { ...before, lastResult: event.result, nextAttemptMs: event.untilMs }
  })
  // Not worth a write: after a crash the letter is simply tried at once.
  if (letter.cancelled) effects.push({ effect: 'store' })
  return settle({ ...letter, item: { ...letter.item, recipients }, running }, effects)
}

function aged(letter: OpenLetter, atMs: number, limits: LetterLimits): Step {
  const { item } = letter
  const effects: LetterEffect[] = []
  const delayed: number[] = []
  const late: number[] = []
  const startMs = ageStartMs(item)
  const expired = atMs >= startMs + lifetimeMs(item, limits)
  const isDelayed = atMs >= startMs + limits.delayNoticeAfterMs
  const pastDue = isPastDue(item, atMs)
  let changed = false
  const notice = newNotice()
  const recipients = item.recipients.map((before): QueueRecipient => {
    if (before.state !== 'pending' || letter.running.has(before.index)) return before
    // Whoever was never tried (the node was down for days) gets one attempt before the letter is given up; but not against
    // the sender's own word (RFC 2852 §4.1).
    const tooLate = pastDue && item.options?.deliverBy?.mode === 'return'
    if (tooLate || (expired && before.lastResult !== null)) {
      changed = true
      const why = tooLate ? 'not delivered by the time that the sender set' : 'given up'
      effects.push(trace('failed', before, why, before.lastResult))
      return fail(item, before, notice)
    }
    if (pastDue && wantsLateNotice(item, before)) late.push(before.index)
    if (isDelayed && wantsDelayNotice(item, before)) delayed.push(before.index)
    return before
  })
  if (changed) effects.push({ effect: 'store' })
  for (const [kind, indexes] of [
    ['late', late],
    ['delay', delayed],
  ] as const) {
    const first = indexes[0]
    if (first !== undefined) effects.push({ effect: 'report', kind, notice: first, indexes })
  }
  return settle(changed ? { ...letter, item: { ...item, recipients } } : letter, effects)
}

/** The peer says what became of these: as if this node had tried. */
function relayed(letter: OpenLetter, event: Extract<LetterEvent, { event: 'relayed' }>, limits: LetterLimits): Step {
  const outcomes = event.outcomes.filter(({ index }) =>
    letter.item.recipients.some((it) => it.index === index && isUnder(it, event.ticket)),
  )
  if (outcomes.length === 0) return { letter, effects: [] }
  const back = new Set(outcomes.map((it) => it.index))
  const recipients = letter.item.recipients.map((it): QueueRecipient => {
    return back.has(it.index) && !isFinal(it) ? { ...it, state: 'pending' } : it
  })
  return attempted(
    { ...letter, item: { ...letter.item, recipients } },
    { ...event, event: 'attempted', outcomes },
    limits,
  )
}

function handOver(letter: OpenLetter, event: HandOverEvent): Step {
  const effects: LetterEffect[] = []
  const notice = newNotice()
  const { item } = letter
  const map = (before: QueueRecipient): QueueRecipient => {
    if (event.event === 'offered') {
      if (before.state !== 'pending' || !event.indexes.includes(before.index) || letter.running.has(before.index)) {
        return before
      }
      effects.push(trace('other-way', before, `${event.node} is asked to send it: ${event.why}`, null))
      return offered(before, event)
    }
    if (event.event === 'no-way') {
      if (before.state !== 'pending' || !event.indexes.includes(before.index)) return before
      const own = before.refusedWays?.find((it) => it.node === event.self)?.result ?? before.lastResult
      const after = { ...withoutOwnRefusal(before, event.self), lastResult: own, nextAttemptMs: event.retryAtMs }
      if (own?.kind !== 'permanent') return after
      effects.push(trace('failed', before, 'no way is left', own))
      return fail(item, { ...before, lastResult: own }, notice)
    }
    if (!isUnder(before, event.ticket)) return before
    if (event.event === 'granted') {
      effects.push(
        trace('relayed', before, `${before.handOver?.node} has it and sends it, ticket ${event.ticket}`, null),
      )
      return granted(before, event.stage)
    }
    // Once granted it comes back by word of the peer alone.
    if (before.handOver?.phase !== 'offered') return before
    const { node } = before.handOver
    effects.push(trace('deferred', before, `${node} does not take it`, event.result))
    const back = takenBack(before, event.atMs)
    return event.refused ? withRefusedWay(back, { node, result: event.result }) : back
  }
  const recipients = item.recipients.map((it) => map(it))
  if (recipients.every((it, at) => it === item.recipients[at])) return { letter, effects }
  effects.push({ effect: 'store' })
  return settle({ ...letter, item: { ...item, recipients } }, effects)
}

/** Not stored: after a crash the origin must say so again, for it may have thought better of it. */
function letGo(letter: OpenLetter, { atMs, hurry }: Extract<LetterEvent, { event: 'let-go' }>): Step {
  const { item } = letter
  const goes = (it: QueueRecipient) => it.state === 'held' || (hurry === true && it.state === 'pending')
  if (!item.errand || !item.recipients.some(goes)) return { letter, effects: [] }
  const recipients = item.recipients.map((it): QueueRecipient => {
    return goes(it) ? { ...it, state: 'pending', nextAttemptMs: atMs } : it
  })
  return { letter: { ...letter, item: { ...item, recipients } }, effects: [] }
}

function hold(recipient: QueueRecipient): QueueRecipient {
  if (recipient.state === 'pending') return { ...recipient, state: 'held' }
  if (recipient.state !== 'handed-over') return recipient
  if (recipient.handOver?.phase === 'granted') return withWish(recipient, 'hold')
  return { ...takenBack(recipient, recipient.nextAttemptMs), state: 'held' }
}

function cancel(letter: OpenLetter, event: Extract<LetterEvent, { event: 'cancel' }>): Step {
  const wish = event.silent ? 'silent' : 'told'
  const effects: LetterEffect[] = []
  const notice = newNotice()
  const recipients = letter.item.recipients.map((before) => {
    if (isFinal(before) || letter.running.has(before.index)) return before
    // What a peer may be sending is asked back; its word decides.
    if (before.state === 'handed-over' && before.handOver?.phase === 'granted') {
      return withWish(before, event.silent ? 'cancel-silently' : 'cancel')
    }
    const { handOver: _, ...own } = before
    return cancelled(letter, own, wish, notice, effects)
  })
  effects.push({ effect: 'store' })
  return settle({ ...letter, cancelled: wish, item: { ...letter.item, recipients } }, effects)
}

function cancelled(
  letter: OpenLetter,
  recipient: QueueRecipient,
  wish: 'told' | 'silent',
  notice: Notice,
  effects: LetterEffect[],
): QueueRecipient {
  effects.push(trace('cancelled', recipient, "an operator's word", null))
  const after: QueueRecipient = { ...recipient, state: 'cancelled' }
  return wish === 'told' ? owe(letter.item, after, notice) : after
}

function change(letter: OpenLetter, map: (it: QueueRecipient) => QueueRecipient, what: string): Step {
  const effects: LetterEffect[] = []
  const recipients = letter.item.recipients.map((before) => {
    const after = map(before)
    if (after !== before) effects.push(trace(what, before, "an operator's word", null))
    return after
  })
  if (effects.length === 0) return { letter, effects }
  effects.push({ effect: 'store' })
  return settle({ ...letter, item: { ...letter.item, recipients } }, effects)
}

function reported(letter: Letter, event: Extract<LetterEvent, { event: 'reported' }>): Step {
  if (letter.phase === 'closed') return { letter, effects: [] }
  const indexes = new Set(event.indexes)
  const recipients = letter.item.recipients.map((it) => (indexes.has(it.index) ? told(it, event.kind) : it))
  const { expansionsOwed, ...rest } = letter.item
  const item: QueueItem = { ...rest, recipients }
  if (expansionsOwed && event.kind !== 'expansion') item.expansionsOwed = expansionsOwed
  if (letter.phase === 'open') return settle({ ...letter, item }, [{ effect: 'store' }])
  if (owed(item).length > 0) return { letter: { phase: 'reporting', item }, effects: [{ effect: 'store' }] }
  return { letter: { phase: 'closed', item }, effects: [{ effect: 'close' }] }
}

function told(before: QueueRecipient, kind: ReportKind): QueueRecipient {
  if (kind === 'delay') return { ...before, delayNoticeSent: true }
  if (kind === 'late') return { ...before, deliverByTold: true }
  if (kind === 'failure') {
    const { noticeOwed: _, ...after } = before
    return after
  }
  const { successOwed: _, ...after } = before
  return after
}

/** The origin has written down what came of its letter. */
function originKnows(letter: Letter): Step {
  if (letter.phase !== 'reporting' || !letter.item.errand) return { letter, effects: [] }
  return { letter: { phase: 'closed', item: letter.item }, effects: [{ effect: 'close' }] }
}

/** Says what a changed letter owes, and whether it is over. */
function settle(letter: OpenLetter, effects: LetterEffect[]): Step {
  const { item, running } = letter
  if (item.errand && item.recipients.every(isFinal)) {
    assert(running.size === 0, `letter ${item.id} is over while a courier has it in hand`)
    effects.push({ effect: 'answer-origin' })
    return { letter: { phase: 'reporting', item }, effects }
  }
  const notices = owed(item)
  if (effects.length === 0 || effects.some((it) => it.effect === 'store')) effects.push(...notices)
  if (!item.recipients.every(isFinal)) return { letter, effects }
  assert(running.size === 0, `letter ${item.id} is over while a courier has it in hand`)
  if (notices.length > 0) return { letter: { phase: 'reporting', item }, effects }
  effects.push({ effect: 'close' })
  return { letter: { phase: 'closed', item }, effects }
}

type Report = Extract<LetterEffect, { effect: 'report' }>

/** Every notice that the record says is owed. */
function owed(item: QueueItem): Report[] {
  const found = new Map<string, Report & { indexes: number[] }>()
  const add = (kind: ReportKind, notice: number | undefined, index: number) => {
    if (notice === undefined) return
    const report = found.get(`${kind} ${notice}`)
    if (report) report.indexes.push(index)
    else found.set(`${kind} ${notice}`, { effect: 'report', kind, notice, indexes: [index] })
  }
  for (const { noticeOwed, successOwed, index } of item.recipients) {
    add('failure', noticeOwed, index)
    add('success', successOwed?.notice, index)
  }
  const notices: Report[] = [...found.values()]
  if (item.expansionsOwed) notices.push({ effect: 'report', kind: 'expansion', notice: 0, indexes: [] })
  return notices
}

/** Whom of those in `report` its notice is still to tell of; undefined where there is none to write any more. */
export function openReport(item: QueueItem, report: Report): QueueRecipient[] | undefined {
  if (report.kind === 'expansion') return item.expansionsOwed && []
  const open = item.recipients.filter((it) => report.indexes.includes(it.index) && isOpenIn(it, report))
  return open.length > 0 ? open : undefined
}

function isOpenIn(it: QueueRecipient, { kind, notice }: Report): boolean {
  if (kind === 'delay') return it.state === 'pending' && !it.delayNoticeSent
  if (kind === 'late') return it.state === 'pending' && !it.deliverByTold
  return kind === 'failure' ? it.noticeOwed === notice : it.successOwed?.notice === notice
}

/** Those that end in one step are told of in one notice, named after the first. */
export interface Notice {
  name: number | null
}

export function newNotice(): Notice {
  return { name: null }
}

function fail(item: QueueItem, recipient: QueueRecipient, notice: Notice): QueueRecipient {
  return owe(item, { ...recipient, state: 'failed' }, notice)
}

// RFC 5321 §6.1: no notice about a notice.
function owe(item: QueueItem, recipient: QueueRecipient, notice: Notice): QueueRecipient {
  // Another node's letter: that node tells the sender.
  if (item.from === '' || item.errand || !wantsNotice(recipient.options, 'failure')) return recipient
  notice.name ??= recipient.index
  return { ...recipient, noticeOwed: notice.name }
}

/**
 * RFC 3461 §4.1, §5.2.2, §5.2.4: whoever asked for it hears of a success, once: from us where the letter lies in its mailbox (here
 * or on another node), or where the next host will not say.
 */
export function oweSuccess(
  item: QueueItem,
  recipient: QueueRecipient,
  result: DeliveryResult,
  notice: Notice,
): QueueRecipient {
  if (item.from === '' || item.errand || recipient.options?.notify?.length === 0) return recipient
  const isOutside = result.courier === 'outside'
  const asked = recipient.options?.notify?.includes('success') && !(isOutside && result.dsnPassedOn)
  // RFC 2852 §4.1.4: also of the hop itself, where that was asked, or where it ends what was asked.
  const { deliverBy } = item.options ?? {}
  const hop = isOutside && deliverBy && (deliverBy.trace || !result.deliverByPassedOn)
  if (!asked && !hop) return recipient
  notice.name ??= recipient.index
  return { ...recipient, successOwed: { notice: notice.name, action: isOutside ? 'relayed' : 'delivered' } }
}

function trace(what: string, recipient: QueueRecipient, why: string, result: DeliveryResult | null): LetterEffect {
  return { effect: 'trace', what, recipient: recipient.address, why, result }
}
