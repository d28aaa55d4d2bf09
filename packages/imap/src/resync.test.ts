import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { MessageRecord } from '@skein/mailboxes'
import { parseResync, untouchedUpTo } from './resync.ts'
import { MailboxView } from './view.ts'
import { Cursor } from './wire/cursor.ts'
import { formatNumbers } from './wire/sequence-set.ts'

function viewOf(uids: readonly number[]): MailboxView {
  const live = uids.map((uid) => ({ uid, flags: [] }) as unknown as MessageRecord)
  return new MailboxView({ id: 'm', highestModseq: 1 }, false, live, undefined)
}

const ascending = fc.uniqueArray(fc.integer({ min: 1, max: 60 })).map((uids) => uids.sort((a, b) => a - b))

test('below what the match data shows to be untouched nothing is gone, whatever was expunged', () => {
  fc.assert(
    fc.property(ascending, fc.func(fc.boolean()), fc.func(fc.boolean()), (before, stays, told) => {
      const numbers = before.map((_uid, at) => at + 1).filter((number) => told(number))
      if (numbers.length === 0) return
      const uids = numbers.map((number) => before[number - 1] as number)
      const text = ` (1 1 (${formatNumbers(numbers)} ${formatNumbers(uids)}))`
      const resync = parseResync(new Cursor([text], { nestingDepthMax: 9, utf8: false }))
      const after = before.filter((uid) => stays(uid))
      const untouched = untouchedUpTo(viewOf(after), resync.match)
      for (const uid of before) if (uid <= untouched) assert.ok(after.includes(uid), `${uid} is gone`)
      // And it is of use: with nothing gone, the last message told is reached.
      assert.equal(untouchedUpTo(viewOf(before), resync.match), uids.at(-1))
    }),
  )
})
