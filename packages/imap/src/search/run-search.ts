// Runs a search over the messages of a view: cheap things for many messages at a time, dear things one by one,
// with a pause for others in between.
import type { MessageIndex } from '@skein/mail'
import type { AccountMailboxes, MessageRecord, TextIndex } from '@skein/mailboxes'
import type { Output } from '../output.ts'
import type { Progress } from '../progress.ts'
import type { MailboxView } from '../view.ts'
import { findRecord } from '../view.ts'
import { matcherOf, needOf } from './matcher.ts'
import type { Candidate, Matcher, Need } from './matcher.ts'
import type { SearchKey } from './search-key.ts'
import { TextAnswers } from './text-answers.ts'

/** One message that matched. */
export interface Hit {
  place: number
  uid: number
  modseq: number
}

export interface SearchGround {
  mailboxes: AccountMailboxes
  view: MailboxView
  out: Output
  nowMs: number
  textIndex?: TextIndex | undefined
  /** The first place to be looked at (RFC 9738). */
  firstPlace?: number
  progress?: Progress
}

const BLOCK_MESSAGES = 1024
const INDEX_BLOCK_MESSAGES = 128

/** Larger messages are not decoded in this thread when the other one fails. */
const OWN_BYTES_MAX = 1024 * 1024

/** Ascending. Messages that are gone for others match nothing. */
export async function runSearch(ground: SearchGround, key: SearchKey): Promise<Hit[]> {
  const { view, nowMs, out, mailboxes, textIndex, firstPlace = 0 } = ground
  const texts = await TextAnswers.gather(textIndex, mailboxes, view, key)
  const matcher = matcherOf(key, { nowMs, texts, spans: (messages) => view.spans(messages.set, messages.by) })
  const need = needOf(key)
  const step = need === 'record' ? BLOCK_MESSAGES : INDEX_BLOCK_MESSAGES
  // Where the index leaves few, only those are looked at.
  const places = texts?.places(key, view)?.filter((place) => place >= firstPlace)
  const hits: Hit[] = []
  const count = places?.length ?? view.count
  for (let start = places === undefined ? firstPlace : 0; start < count;) {
    const live = await mailboxes.messages(view.mailbox)
    const doubtful: Candidate[] = []
    const found: Candidate[] = []
    const stop = Math.min(start + BLOCK_MESSAGES, count)
    for (; start < stop && doubtful.length < step; start++) {
      const place = places === undefined ? start : (places[start] as number)
      const record = recordAt(live, view, place)
      if (record === undefined) continue
      const candidate: Candidate = { place, record }
      const value = matcher(candidate)
      if (value === true) found.push(candidate)
      else if (value === undefined) doubtful.push(candidate)
    }
    if (doubtful.length > 0) found.push(...(await lookCloser(ground, matcher, need, doubtful, texts)))
    found.sort((a, b) => a.place - b.place)
    for (const { place, record } of found) hits.push({ place, uid: record.uid, modseq: record.modseq })
    ground.progress?.tick(start, count)
    const pause = out.breathe()
    if (pause) await pause
  }
  return hits
}

/** Others may have made the view shorter in the meantime: a place may be none. */
function recordAt(live: readonly MessageRecord[], view: MailboxView, place: number): MessageRecord | undefined {
  return place < view.count ? findRecord(live, view.uidAt(place), place) : undefined
}

async function lookCloser(
  ground: SearchGround,
  matcher: Matcher,
  need: Need,
  doubtful: readonly Candidate[],
  texts: TextAnswers | undefined,
): Promise<Candidate[]> {
  const { mailboxes, out, textIndex } = ground
  const found: Candidate[] = []
  const infos = await mailboxes.infos(doubtful.map((candidate) => candidate.record))
  const readable: Candidate[] = []
  for (const [at, candidate] of doubtful.entries()) {
    const info = infos[at]
    if (info === undefined) continue
    candidate.index = info.index as MessageIndex
    readable.push(candidate)
  }
  if (texts !== undefined && textIndex !== undefined && need !== 'index') {
    await examineElsewhere(
      mailboxes,
      textIndex,
      texts,
      readable.filter((candidate) => matcher(candidate) === undefined),
    )
  }
  for (const candidate of readable) {
    if (await settle(mailboxes, matcher, need, candidate, texts !== undefined)) found.push(candidate)
    const pause = out.breathe()
    if (pause) await pause
  }
  return found
}

async function examineElsewhere(
  mailboxes: AccountMailboxes,
  textIndex: TextIndex,
  texts: TextAnswers,
  candidates: readonly Candidate[],
): Promise<void> {
  if (candidates.length === 0) return
  const records = candidates.map((candidate) => candidate.record)
  const answers = await textIndex.examine(mailboxes, records, texts.queries)
  for (const [at, candidate] of candidates.entries()) {
    const examined = answers[at]
    if (examined !== undefined) candidate.examined = examined
  }
}

async function settle(
  mailboxes: AccountMailboxes,
  matcher: Matcher,
  need: Need,
  candidate: Candidate,
  smallOnly: boolean,
): Promise<boolean> {
  let value = matcher(candidate)
  if (value !== undefined || need === 'index') return value === true
  if (smallOnly && candidate.record.size > OWN_BYTES_MAX) return false
  const { record, index } = candidate
  const headerBytes = index?.root.headerEnd ?? record.size
  if (need === 'header') {
    candidate.header = await mailboxes.body(record, 0, headerBytes)
    return matcher(candidate) === true
  }
  const whole = await mailboxes.body(record)
  candidate.header = whole.subarray(0, headerBytes)
  value = matcher(candidate)
  if (value !== undefined) return value
  candidate.whole = whole
  return matcher(candidate) === true
}
