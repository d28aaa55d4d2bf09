// What of a stored letter leaves for another mail system: all but our own Return-Path line, which is for mailboxes only
// (RFC 5321 §4.4: it is added at final delivery).
import type { QueueItem } from '@skein/delivery'
import type { MessageLog } from '@skein/mailboxes'

export function outsideSize(item: QueueItem): number {
  return item.size - (item.returnPathBytes ?? 0)
}

export function outsideBytes(item: QueueItem, log: MessageLog): AsyncIterable<Uint8Array> {
  return log.stream(item.blob, item.returnPathBytes ?? 0)
}
