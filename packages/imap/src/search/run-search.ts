// Runs a search over the messages of a view: cheap things for many messages at a time, dear things one by one,
// with a pause for others in between.
import type { MessageIndex } from '@skein/mail'
import type { AccountMailboxes } from '@skein/mailboxes'
import type { Output } from '../output.ts'
import type { MailboxView } from '../view.ts'
import { findRecord } from '../view.ts'
import { matcherOf, needOf } from './matcher.ts'
import type { Candidate, Matcher, Need } from './matcher.ts'
import type { SearchKey } from './search-key.ts'

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
}

const BLOCK_MESSAGES = 1024
const INDEX_BLOCK_MESSAGES = 128

/** Ascending. Messages that are gone for others match nothing. */
export async function runSearch(ground: SearchGround, key: SearchKey): Promise<Hit[]> {
  const { view, nowMs, out, mailboxes } = ground
  const matcher = matcherOf(key, { nowMs, spans: (messages) => view.spans(messages.set, messages.by) })
  const need = needOf(key)
  const step = need === 'record' ? BLOCK_MESSAGES : INDEX_BLOCK_MESSAGES
  const hits: Hit[] = []
  for (let start = 0; start < view.count; start += step) {
    const live = await mailboxes.messages(view.mailbox)
    const doubtful: Candidate[] = []
    const found: Candidate[] = []
    for (let place = start; place < Math.min(start + step, view.count); place++) {
      const record = findRecord(live, view.uidAt(place), place)
      if (record === undefined) continue
      const candidate: Candidate = { place, record }
      const value = matcher(candidate)
      if (value === true) found.push(candidate)
      else if (value === undefined) doubtful.push(candidate)
    }
    if (doubtful.length > 0) found.push(...(await lookCloser(ground, matcher, need, doubtful)))
    found.sort((a, b) => a.place - b.place)
    for (const { place, record } of found) hits.push({ place, uid: record.uid, modseq: record.modseq })
    const pause = out.breathe()
    if (pause) await pause
  }
  return hits
}

async function lookCloser(ground: SearchGround, matcher: Matcher, need: Need, doubtful: Candidate[]) {
  const found: Candidate[] = []
  const infos = await ground.mailboxes.infos(doubtful.map((candidate) => candidate.record))
  for (const [at, candidate] of doubtful.entries()) {
    const info = infos[at]
    if (info === undefined) continue
    candidate.index = info.index as MessageIndex
    if (await settle(ground.mailboxes, matcher, need, candidate)) found.push(candidate)
    const pause = ground.out.breathe()
    if (pause) await pause
  }
  return found
}

async function settle(
  mailboxes: AccountMailboxes,
  matcher: Matcher,
  need: Need,
  candidate: Candidate,
): Promise<boolean> {
  let value = matcher(candidate)
  if (value !== undefined || need === 'index') return value === true
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
