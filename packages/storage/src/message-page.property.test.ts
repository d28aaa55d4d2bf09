import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SkeinError } from '@skein/runtime'
import { type MessageRecord, withFlags } from '@skein/mailboxes'
import fc from 'fast-check'
import { encodeMessage } from './mailbox-records.ts'
import { decodePage, encodePage } from './message-page.ts'

const record: fc.Arbitrary<Omit<MessageRecord, 'uid'>> = fc
  .record({
    modseq: fc.maxSafeNat(),
    flags: fc.subarray(['\\Seen', '\\Deleted', 'keyword', 'Übrig']),
    internalDateMs: fc.maxSafeNat(),
    length: fc.nat(2 ** 31),
    size: fc.option(fc.nat(2 ** 31)),
    segment: fc.nat(2 ** 31),
    offset: fc.maxSafeNat(),
    emailId: fc.string({ minLength: 1, maxLength: 40 }),
    threadId: fc.option(fc.string({ minLength: 1, maxLength: 40 })),
    savedDateMs: fc.option(fc.maxSafeNat()),
  })
  .map(({ modseq, flags, internalDateMs, length, size, segment, offset, emailId, threadId, savedDateMs }) => ({
    modseq,
    flags,
    internalDateMs,
    size: size ?? length,
    blob: { segment, offset, length },
    emailId,
    threadId: threadId ?? emailId,
    savedDateMs: savedDateMs ?? internalDateMs,
  }))

const page = fc
  .array(record, { maxLength: 40 })
  .map((records) => records.map((it, index): MessageRecord => ({ uid: index * 3 + 1, ...it })))

/** All that a record says, whatever it reads it from. */
function plain(message: MessageRecord): MessageRecord {
  return withFlags(message, message.flags, message.modseq)
}

function decoded(bytes: Uint8Array): MessageRecord[] {
  const into: MessageRecord[] = []
  decodePage(bytes, into)
  return into.map(plain)
}

test('a page gives back what was put into it, wherever in memory it lies', () => {
  fc.assert(
    fc.property(page, fc.nat(16), (records, shift) => {
      const bytes = encodePage(records)
      const elsewhere = Buffer.concat([Buffer.alloc(shift), bytes]).subarray(shift)
      const flags = (it: MessageRecord) => ({ ...it, flags: [...it.flags].sort() })
      assert.deepEqual(decoded(elsewhere).map(flags), records.map(flags))
    }),
  )
})

test('a page of version 1 is read', () => {
  fc.assert(
    fc.property(page, (records) => {
      const bytes = Buffer.concat([Buffer.of(1), ...records.map(encodeMessage)])
      const flags = (it: MessageRecord) => ({ ...it, flags: [...it.flags].sort() })
      assert.deepEqual(decoded(bytes).map(flags), records.map(flags))
    }),
  )
})

test('damaged bytes are said to be damaged, or read as something; nothing else is thrown', () => {
  fc.assert(
    fc.property(page, fc.nat(), fc.nat(255), fc.nat(20), (records, at, byte, cut) => {
      const bytes = Buffer.from(encodePage(records))
      bytes[at % bytes.length] = byte
      const damaged = bytes.subarray(0, Math.max(0, bytes.length - cut))
      try {
        decoded(damaged)
      } catch (error) {
        assert.ok(error instanceof SkeinError && error.code === 'record-damaged', String(error))
      }
    }),
    { numRuns: 2000 },
  )
})
