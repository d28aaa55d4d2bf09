import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ImapBelief, ImapLore, numbersOf } from './imap-belief.ts'

function selected(lore = new ImapLore(), count = 3, ...more: string[]): ImapBelief {
  const belief = new ImapBelief(lore)
  belief.willSelect()
  for (const line of ['* FLAGS (\\Seen)', `* ${count} EXISTS`, '* OK [UIDVALIDITY 7] ok', ...more]) belief.take(line)
  return belief
}

test('what answers add up to', () => {
  const belief = selected()
  belief.take('* 2 FETCH (UID 5 FLAGS (\\Seen \\Deleted))')
  belief.take('* 1 EXPUNGE')
  belief.take('* 4 EXISTS')
  assert.deepEqual(belief.messages, [{ uid: 5, flags: ['\\Deleted', '\\Seen'] }, {}, {}, {}])
  belief.vanishing = true
  belief.take('* VANISHED 9')
  assert.deepEqual(
    belief.messages.map(({ uid }) => uid),
    [5, undefined, undefined],
  )
  belief.take('* VANISHED 5')
  assert.equal(belief.messages.length, 2)
  assert.deepEqual(numbersOf('1,4:6,9:8'), [1, 4, 5, 6, 8, 9])
})

test('answers that cannot be are refused', () => {
  const refused = (lines: string[], why: RegExp, numbersFixed = false, vanishing = false) => {
    const belief = selected()
    belief.vanishing = vanishing
    const [last = '', ...before] = lines.reverse()
    for (const line of before.reverse()) belief.take(line)
    assert.throws(() => belief.take(last, { numbersFixed }), why, last)
  }
  refused(['* 2 EXISTS'], /takes messages away/)
  refused(['* 4 EXPUNGE'], /there are 3/)
  refused(['* 1 EXPUNGE'], /during FETCH/, true)
  refused(['* 1 EXPUNGE'], /after ENABLE QRESYNC/, false, true)
  refused(['* VANISHED 1'], /without ENABLE/)
  refused(['* 4 FETCH (FLAGS ())'], /there are 3/)
  refused(['* 1 FETCH (UID 4)', '* 1 FETCH (UID 5)'], /was UID 4/)
  refused(['* 1 FETCH (UID 4)', '* 2 FETCH (UID 4)'], /do not rise/)
  refused(['* 3 FETCH (UID 4)', '* 2 FETCH (UID 9)'], /do not rise/)
  refused(['* 1 FETCH (MODSEQ (9))', '* 1 FETCH (MODSEQ (8))'], /MODSEQ was 9/)
  refused(['* SEARCH 1 4'], /there are 3/, true)
  refused(['* 1 FETCH (UID 1)', '* 2 FETCH (UID 2)', '* 3 FETCH (UID 3)', '* VANISHED 9'], /not known/, false, true)
})

test('what one session has learnt holds for the others', () => {
  const lore = new ImapLore()
  const one = selected(lore)
  one.take('* 1 FETCH (UID 3 FLAGS (\\Seen) MODSEQ (20))')
  const other = selected(lore)
  assert.throws(() => other.take('* 1 FETCH (UID 3 FLAGS () MODSEQ (20))'), /for the same MODSEQ/)
  // That one has the message still, so it may go on reading it; who selects after the expunge may not.
  one.take('* 1 EXPUNGE')
  other.take('* 1 FETCH (UID 3 FLAGS (\\Seen) MODSEQ (20))')
  const late = selected(lore)
  assert.throws(() => late.take('* 1 FETCH (UID 3)'), /gone before SELECT/)
  assert.throws(() => late.take('* OK [UIDNEXT 3] next'), /given out/)
  assert.throws(() => late.take('* OK [HIGHESTMODSEQ 19] highest'), /higher MODSEQ/)
})
