// A record of the queue for this package's tests: a plain letter, and what a test says of it.
import type { QueueItem, QueueRecipient } from './ports.ts'

export function plainItem(recipients: QueueRecipient[], fields: Partial<QueueItem> = {}): QueueItem {
  return {
    id: '01JD0000000000000000000001',
    from: 's@test.com',
    recipients,
    blob: { segment: 1, offset: 0, length: 10 },
    size: 10,
    messageId: 'm',
    receivedMs: 0,
    source: { kind: 'smtp', remoteAddress: '', node: 'n', accountId: null },
    smtpUtf8: false,
    eightBit: false,
    ...fields,
  }
}
