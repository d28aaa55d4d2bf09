// COPY (RFC 9051 §6.4.7), MOVE (RFC 6851) and their UID forms, with COPYUID (RFC 4315 §3).
import type { CopyResult } from '@skein/mailboxes'
import { newestOf, tooManyToSave } from '../message-limit.ts'
import { no, ok } from '../replies.ts'
import type { Span } from '../view.ts'
import { formatNumbers } from '../wire/sequence-set.ts'
import type { SequenceSet } from '../wire/sequence-set.ts'
import { resolveMailbox } from '../mailbox-access.ts'
import { transfer, transferAway } from '../transfer.ts'
import { command, parseMailbox, parseSet, selected, selectedOf } from './command.ts'
import type { Command, Context, Numbering } from './command.ts'

interface CopyArguments {
  set: SequenceSet
  destination: string
}

/** The UIDs named, or undefined where some of them are gone: a copy is of all or of none (RFC 2180 §4.4.1). */
function sourceUids(context: Context, spans: readonly Span[], numbering: Numbering): number[] | undefined {
  const { view } = selectedOf(context)
  const uids = view.uidsOf(spans)
  if (numbering === 'uid') return uids.filter((uid) => !view.isExpunged(uid))
  return uids.some((uid) => view.isExpunged(uid)) ? undefined : uids
}

function copyUid(result: CopyResult): string | undefined {
  if (result.pairs.length === 0) return undefined
  const from = formatNumbers(result.pairs.map((pair) => pair.from))
  const to = formatNumbers(result.pairs.map((pair) => pair.to))
  return `COPYUID ${result.uidValidity} ${from} ${to}`
}

function copyCommand(verb: 'COPY' | 'MOVE', numbering: Numbering): Command {
  return command<CopyArguments>({
    name: numbering === 'uid' ? `UID ${verb}` : verb,
    states: selected,
    hasDestination: true,
    parse: (cursor) => ({ set: parseSet(cursor), destination: parseMailbox(cursor) }),
    async run(context, { set, destination }) {
      const { mailboxes, view } = selectedOf(context)
      const named = view.spans(set, numbering)
      // RFC 9738 §3.1: a copy is of all or of none, a move may be of some.
      const { spans, code: cut } = newestOf(view, named, context.limits)
      const uids = sourceUids(context, verb === 'COPY' ? named : spans, numbering)
      if (verb === 'MOVE' && view.readOnly) return no('The mailbox is open for reading only', 'READ-ONLY')
      if (uids === undefined) return no('Some of the messages are gone', 'EXPUNGEISSUED')
      const access = await resolveMailbox(context, destination)
      if (access === undefined) return no('There is no such mailbox', 'TRYCREATE')
      if (uids.length === 0) return ok('There was nothing to do')
      const to = access.record
      const options = { origin: context.origin }
      if (verb === 'COPY') {
        const tooMany = tooManyToSave(uids.length, context.limits)
        if (tooMany !== undefined) return no('That is too many messages at once', tooMany)
        const copied = await context.progress.during(
          access.mailboxes === mailboxes
            ? mailboxes.copy(view.mailbox, uids, to.id, options)
            : transfer(context, { mailboxes, mailbox: view.mailbox }, uids, access),
        )
        return ok('Copied', copyUid(copied))
      }
      const moved = await context.progress.during(
        access.mailboxes === mailboxes
          ? mailboxes.move(view.mailbox, uids, to.id, options)
          : transferAway(context, { mailboxes, mailbox: view.mailbox }, uids, access),
      )
      view.noteExpunged(moved.pairs.map((pair) => pair.from))
      // RFC 6851 §4.3: before the EXPUNGE answers.
      const code = copyUid(moved)
      if (code !== undefined) context.out.text(`* OK [${code}] Moved\r\n`)
      return ok('Moved', cut)
    },
  })
}

export const copy = copyCommand('COPY', 'sequence')
export const uidCopy = copyCommand('COPY', 'uid')
export const move = copyCommand('MOVE', 'sequence')
export const uidMove = copyCommand('MOVE', 'uid')
