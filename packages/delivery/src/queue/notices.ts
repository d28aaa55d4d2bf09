// What the sender is owed, and whether a letter is over with that. Promises: a notice is in the record before it is written, and
// has one name whatever crashes in between, so that it is told once.
import { assert } from '@skein/runtime'
import { wantsNotice, type DeliveryResult, type QueueItem, type QueueRecipient } from '../ports.ts'
import {
  isFinal,
  type Letter,
  type LetterEffect,
  type LetterEvent,
  type OpenLetter,
  type ReportKind,
  type Step,
} from './letter.ts'

/** Those that end in one step are told of in one notice, named after the first. */
export interface Notice {
  name: number | null
}

export function newNotice(): Notice {
  return { name: null }
}

export function fail(item: QueueItem, recipient: QueueRecipient, notice: Notice): QueueRecipient {
  return owe(item, { ...recipient, state: 'failed' }, notice)
}

// RFC 5321 §6.1: no notice about a notice.
export function owe(item: QueueItem, recipient: QueueRecipient, notice: Notice): QueueRecipient {
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

/** Says what a changed letter owes, and whether it is over. */
export function settle(letter: OpenLetter, effects: LetterEffect[]): Step {
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

export function reported(letter: Letter, event: Extract<LetterEvent, { event: 'reported' }>): Step {
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
export function originKnows(letter: Letter): Step {
  if (letter.phase !== 'reporting' || !letter.item.errand) return { letter, effects: [] }
  return { letter: { phase: 'closed', item: letter.item }, effects: [{ effect: 'close' }] }
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
