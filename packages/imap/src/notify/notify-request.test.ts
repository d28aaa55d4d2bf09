import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Cursor } from '../wire/cursor.ts'
import { EVENTS, parseNotify } from './notify-request.ts'

const parse = (text: string) => parseNotify(new Cursor([text], { nestingDepthMax: 5, utf8: false }))

const filter = fc.constantFrom('personal', 'INBOXES', 'subscribed', 'subtree Lists', 'mailboxes (a "b c" INBOX)')
const events = fc
  .subarray([...EVENTS], { minLength: 1 })
  .filter((names) => names.includes('MessageNew') === names.includes('MessageExpunge'))
  .filter((names) => !names.includes('FlagChange') || names.includes('MessageNew'))

test('groups that go together are read', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(filter, events), { minLength: 1, maxLength: 5 }), fc.boolean(), (groups, status) => {
      const text = groups.map(([words, names]) => `(${words} (${names.join(' ')}))`).join(' ')
      const request = parse(` SET ${status ? 'status ' : ''}${text}`)
      assert.ok(request.kind === 'set')
      assert.equal(request.status, status)
      assert.deepEqual(
        request.groups.map((group) => [...group.events].sort()),
        groups.map(([, names]) => [...names].sort()),
      )
    }),
  )
})

test('anything else is a syntax fault', () => {
  const piece = fc.constantFrom(
    ' ',
    '(',
    ')',
    'SET',
    'NONE',
    'STATUS',
    'selected',
    'mailboxes',
    'MessageNew',
    'X',
    '"a"',
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      try {
        parse(pieces.join(''))
      } catch (error) {
        assert.equal((error as Error).name, 'SyntaxFault')
      }
    }),
    { numRuns: 1000 },
  )
})
