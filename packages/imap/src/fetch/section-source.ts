// The bytes of a section of a message (RFC 9051 §6.4.5.1), or where they are when they are too many to hold.
import { headerEnd } from '@skein/mail'
import type { MessageIndex } from '@skein/mail'
import type { AccountMailboxes, MessageRecord } from '@skein/mailboxes'
import type { Section } from './fetch-item.ts'
import { locateSection, pickFields } from './section.ts'
import type { ByteRange } from './section.ts'

/** Sections up to this size are read before the answer begins; larger ones are streamed. */
const HELD_BYTES_MAX = 256 * 1024
/** Most headers fit in the first read. */
const HEADER_READ_BYTES = 8 * 1024

interface Wanted {
  section: Section
  partial: { start: number; count: number } | undefined
}

/** Undefined where there is no such part. @param index undefined where the message itself is asked for. */
export async function readSection(
  mailboxes: AccountMailboxes,
  record: MessageRecord,
  index: MessageIndex | undefined,
  wanted: Wanted,
): Promise<Uint8Array | ByteRange | undefined> {
  const { section, partial } = wanted
  if (section.part.length === 0 && section.what !== 'all' && section.what !== 'text') {
    const header = await readHeader(mailboxes, record)
    return cutPart(section.what === 'header' ? header : pickFields(header, section), wanted)
  }
  const range = await rangeOf(mailboxes, record, index, section)
  if (range === undefined) return undefined
  if (section.what === 'fields' || section.what === 'other-fields') {
    return cutPart(pickFields(await mailboxes.body(record, range.start, range.end), section), wanted)
  }
  const start = partial === undefined ? range.start : Math.min(range.end, range.start + partial.start)
  const end = partial === undefined ? range.end : Math.min(range.end, start + partial.count)
  if (end - start > HELD_BYTES_MAX) return { start, end }
  return end === start ? new Uint8Array(0) : mailboxes.body(record, start, end)
}

async function rangeOf(
  mailboxes: AccountMailboxes,
  record: MessageRecord,
  index: MessageIndex | undefined,
  section: Section,
): Promise<ByteRange | undefined> {
  if (section.part.length === 0) {
    const start = section.what === 'all' ? 0 : (await readHeader(mailboxes, record)).length
    return { start, end: record.size }
  }
  return index === undefined ? undefined : locateSection(index.root, section)
}

/** The message's own header: its first bytes are read until the blank line is among them. */
async function readHeader(mailboxes: AccountMailboxes, record: MessageRecord): Promise<Uint8Array> {
  for (let length = HEADER_READ_BYTES; ; length *= 8) {
    const wanted = Math.min(length, record.size)
    const bytes = wanted === 0 ? new Uint8Array(0) : await mailboxes.body(record, 0, wanted)
    const end = headerEnd(bytes)
    // A blank line at the very end of what was read may be the first half of a CRLF still to come.
    if (end < bytes.length || wanted === record.size) return bytes.subarray(0, end)
  }
}

function cutPart(bytes: Uint8Array, { partial }: Wanted): Uint8Array {
  return partial === undefined ? bytes : bytes.subarray(partial.start, partial.start + partial.count)
}
