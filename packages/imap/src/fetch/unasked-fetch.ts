// FETCH answers that no FETCH asked for: of messages that are new (RFC 5465 §5.2) or have joined a result (§7).
import type { Context } from '../commands/command.ts'
import type { Searched } from '../search/find-messages.ts'
import { findRecord, tellsUid } from '../view.ts'
import { AnswerWriter } from './answer-writer.ts'
import type { Fetched } from './answer-writer.ts'
import type { FetchItem } from './fetch-item.ts'

/** Says `items` of those that are there. Nothing becomes \Seen by it. @throws ConnectionGone */
export async function fetchUnasked(
  context: Context,
  { mailboxes, view }: Searched,
  items: readonly FetchItem[],
  uids: readonly number[],
): Promise<void> {
  if (items.length === 0 || uids.length === 0) return
  const { enabled, out } = context
  const named = items.some((item) => item.kind === 'record' && item.name === 'UID')
  const uid: readonly FetchItem[] = tellsUid(enabled) && !named ? [{ kind: 'record', name: 'UID' }] : []
  const answers = context.answerCache.of(mailboxes.accountId, enabled.utf8)
  const plan = { mailbox: view.mailbox, items: [...uid, ...items], setsSeen: false, enabled, answers }
  const live = await mailboxes.messages(view.mailbox)
  const fetched: Fetched[] = []
  for (const one of uids) {
    const place = view.indexOf(one)
    const record = findRecord(live, one, place)
    if (place !== -1 && record !== undefined) fetched.push({ sequence: place + 1, record, nowSeen: false })
  }
  await new AnswerWriter(mailboxes, out, plan).write(fetched)
}
