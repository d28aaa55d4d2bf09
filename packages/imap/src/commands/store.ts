// STORE and UID STORE (RFC 9051 §6.4.6) with UNCHANGEDSINCE (RFC 7162 §3.1.3).
import type { FlagChange, MessageRecord, StoreResult } from '@skein/mailboxes'
import { newestOf } from '../message-limit.ts'
import { no, ok } from '../replies.ts'
import type { Reply } from '../replies.ts'
import type { Cursor } from '../wire/cursor.ts'
import { formatNumbers } from '../wire/sequence-set.ts'
import type { SequenceSet } from '../wire/sequence-set.ts'
import { fault } from '../wire/syntax-error.ts'
import { fetchHead, findRecord, flagsFetch, tellsUid } from '../view.ts'
import type { MailboxView } from '../view.ts'
import { command, parseSet, selected, selectedOf } from './command.ts'
import type { Command, Context, Numbering } from './command.ts'
import { distinct, parseFlag, parseFlagList } from './flags.ts'

interface StoreArguments {
  set: SequenceSet
  unchangedSince: number | undefined
  change: FlagChange
  silent: boolean
}

const modes: Readonly<Record<string, FlagChange['mode']>> = { '+': 'add', '-': 'remove' }

function parseStore(cursor: Cursor): StoreArguments {
  const set = parseSet(cursor)
  cursor.space()
  let unchangedSince: number | undefined
  if (cursor.sees('(')) {
    cursor.list(() => {
      if (cursor.keyword() !== 'UNCHANGEDSINCE') fault('there is no such modifier')
      cursor.space()
      unchangedSince = cursor.number63()
    })
    cursor.space()
  }
  const item = cursor.keyword()
  const match = /^([+-]?)FLAGS(\.SILENT)?$/.exec(item)
  if (match === null) fault('FLAGS is wanted')
  cursor.space()
  const mode = modes[match[1] as string] ?? 'replace'
  return { set, unchangedSince, change: { mode, flags: parseFlags(cursor) }, silent: match[2] !== undefined }
}

/** A list, or flags without parentheses (RFC 9051 §9 store-att-flags). */
function parseFlags(cursor: Cursor): string[] {
  if (cursor.sees('(')) return parseFlagList(cursor)
  const flags: (string | undefined)[] = []
  do flags.push(parseFlag(cursor))
  while (cursor.take(' '))
  return distinct(flags)
}

/** Answers with what the messages' flags are now. */
async function answer(context: Context, uids: readonly number[], numbering: Numbering, result: StoreResult) {
  const { mailboxes, view } = selectedOf(context)
  const left = new Set(result.modified)
  const told = numbering === 'uid' || tellsUid(context.enabled)
  const live = await mailboxes.messages(view.mailbox)
  for (const uid of uids) {
    if (left.has(uid)) continue
    const index = view.indexOf(uid)
    const record = findRecord(live, uid, index)
    if (record === undefined) continue
    context.out.text(flagsFetch(index + 1, record, context.enabled, told))
    const pause = context.out.breathe()
    if (pause) await pause
  }
}

/** RFC 7162 §3.1.3: with CONDSTORE also a silent STORE tells the new MODSEQ. */
async function answerModseq(context: Context, changed: readonly MessageRecord[], numbering: Numbering) {
  const { view } = selectedOf(context)
  const { enabled } = context
  for (const record of changed) {
    const told = (numbering === 'uid' || tellsUid(enabled)) && !enabled.uidOnly
    const head = fetchHead(view.indexOf(record.uid) + 1, record.uid, enabled)
    context.out.text(`${head}${told ? `UID ${record.uid} ` : ''}MODSEQ (${record.modseq}))\r\n`)
    const pause = context.out.breathe()
    if (pause) await pause
  }
}

function outcome(view: MailboxView, uids: readonly number[], numbering: Numbering, result: StoreResult): Reply {
  const gone = numbering === 'sequence' && uids.some((uid) => view.isExpunged(uid))
  const numbers = numbering === 'uid' ? result.modified : result.modified.map((uid) => view.indexOf(uid) + 1)
  if (numbers.length > 0) return ok('Some were changed by others', `MODIFIED ${formatNumbers(numbers)}`)
  // RFC 2180 §4.2: the client should find out which.
  if (gone) return no('Some of the messages are gone', 'EXPUNGEISSUED')
  return ok('Stored')
}

function storeCommand(name: string, numbering: Numbering): Command {
  const definition: Command<StoreArguments> = {
    name,
    states: selected,
    ...(numbering === 'sequence' ? { keepsNumbers: true } : {}),
    parse: parseStore,
    async run(context, { set, unchangedSince, change, silent }) {
      const { mailboxes, view } = selectedOf(context)
      const { spans, code: cut } = newestOf(view, view.spans(set, numbering), context.limits)
      const uids = view.uidsOf(spans)
      if (view.readOnly) return no('The mailbox is open for reading only', 'READ-ONLY')
      if (unchangedSince !== undefined) context.enabled.condstore = true
      const since = unchangedSince === undefined ? {} : { unchangedSince }
      const options = { ...since, origin: context.origin }
      const result = await context.progress.during(mailboxes.store(view.mailbox, uids, change, options))
      if (change.mode !== 'remove' && change.flags.some((flag) => !flag.startsWith('\\'))) {
        for (const record of result.changed) context.out.text(view.learnKeywords(record.flags))
      }
      if (!silent) await answer(context, uids, numbering, result)
      else if (context.enabled.condstore) await answerModseq(context, result.changed, numbering)
      const reply = outcome(view, uids, numbering, result)
      if (cut === undefined) return reply
      if (reply.code === undefined) return { ...reply, code: cut }
      context.out.text(`* OK [${cut}] The newest were worked on\r\n`)
      return reply
    },
  }
  return command(definition)
}

export const store = storeCommand('STORE', 'sequence')
export const uidStore = storeCommand('UID STORE', 'uid')
