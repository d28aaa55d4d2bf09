// What of a stored letter leaves for another mail system: all but our own Return-Path line, which is for mailboxes only
// (RFC 5321 §4.4: it is added at final delivery), under the fields that this way out puts on top.
import type { QueueItem } from '@skein/delivery'
import type { MessageLog } from '@skein/mailboxes'

export function outsideSize(item: QueueItem): number {
  return item.size - (item.returnPathBytes ?? 0) + Buffer.byteLength(item.outsideFields ?? '')
}

export function outsideBytes(item: QueueItem, log: MessageLog): AsyncIterable<Uint8Array> {
  const bytes = log.stream(item.blob, item.returnPathBytes ?? 0)
  return item.outsideFields === undefined ? bytes : withFields(item.outsideFields, bytes)
}

async function* withFields(fields: string, bytes: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  yield Buffer.from(fields)
  yield* bytes
}
