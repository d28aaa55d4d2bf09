// UIDBATCHES (draft-ietf-mailmaint-imap-uidbatches): ranges of UIDs that hold equally many messages, the newest first.
import { no, ok } from '../replies.ts'
import { formatString } from '../wire/encode.ts'
import { fault } from '../wire/syntax-error.ts'
import type { MailboxView } from '../view.ts'
import { command, selected, selectedOf } from './command.ts'

interface BatchRange {
  from: number
  to: number
}

/** The ranges leave no gap between them, and the last one reaches down to 1. */
function batches(view: MailboxView, size: number, { from, to }: BatchRange): string[] {
  const ranges: string[] = []
  const count = Math.ceil(view.count / size)
  for (let batch = from; batch <= Math.min(to, count); batch++) {
    const end = view.count - batch * size
    const newest = batch === 1 ? view.largestUid : view.uidAt(end + size) - 1
    ranges.push(`${newest}:${end <= 0 ? 1 : view.uidAt(end)}`)
  }
  return ranges
}

export const uidbatches = command({
  name: 'UIDBATCHES',
  states: selected,
  parse(cursor) {
    cursor.space()
    const size = cursor.nonZeroNumber()
    if (!cursor.take(' ')) return { size, range: undefined }
    const from = cursor.nonZeroNumber()
    cursor.want(':')
    const to = cursor.nonZeroNumber()
    if (from > to) fault('the lower batch number comes first', 'CLIENTBUG')
    return { size, range: { from, to } }
  },
  async run(context, { size, range }) {
    const { view } = selectedOf(context)
    const { uidBatchMessagesMin, uidBatchesMax } = context.limits
    if (size < uidBatchMessagesMin) return no(`A batch holds at least ${uidBatchMessagesMin} messages`, 'TOOFEW')
    const wanted = range ?? { from: 1, to: Math.max(1, Math.ceil(view.count / size)) }
    if (wanted.to - wanted.from >= uidBatchesMax) return no(`At most ${uidBatchesMax} batches at once`, 'TOOMANY')
    const ranges = batches(view, size, wanted).join(',')
    context.out.text(`* UIDBATCHES (TAG ${formatString(context.tag)})${ranges === '' ? '' : ` ${ranges}`}\r\n`)
    return ok('That is all')
  },
})
