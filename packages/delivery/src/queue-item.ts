// The queue's record of a letter that this node takes in.
import type { Directory } from '@skein/accounts'
import type { BlobRef } from '@skein/mailboxes'
import { keptAtHome, type Addressees, type NamedAddressee } from './addressees.ts'
import { newRecipient } from './bounce.ts'
import type { Taken } from './examination.ts'
import type { DeliveryLimits } from './limits.ts'
import {
  wantsNotice,
  type DeliveryResult,
  type IntakeEnvelope,
  type QueueId,
  type QueueItem,
  type QueueRecipient,
} from './ports.ts'
import { sentCopy } from './sent-copy.ts'

export interface KeptLetter {
  id: QueueId
  messageId: string
  blob: BlobRef
  returnPathBytes: number
  found: Taken
}

export function queueItemOf(
  envelope: IntakeEnvelope,
  { named, expansionsOwed }: Addressees,
  { id, messageId, blob, returnPathBytes, found }: KeptLetter,
  directory: Directory,
  nowMs: number,
  limits: DeliveryLimits,
): QueueItem {
  const { from, receivedMs, source, smtpUtf8, eightBit, options } = envelope
  const firstAttemptMs = Math.max(nowMs, options?.holdUntilMs ?? 0)
  const kept = found.verdict === 'junk' ? keptAtHome(named, directory) : named
  const copy = sentCopy(directory, source, kept.length, nowMs, limits)
  const recipients = kept.map((it, index) => recipientOf(it, index, firstAttemptMs, from, directory))
  return {
    id,
    from,
    recipients: copy ? [...recipients, copy] : recipients,
    blob,
    returnPathBytes,
    size: blob.length,
    messageId,
    receivedMs,
    source: {
      kind: source.kind,
      remoteAddress: source.remoteAddress,
      node: directory.self,
      accountId: source.account?.id ?? null,
    },
    smtpUtf8,
    eightBit,
    ...(found.verdict === 'junk' && { junk: true }),
    ...(options && { options }),
    ...(expansionsOwed.length > 0 && { expansionsOwed }),
  }
}

function recipientOf(
  { address, original, options, forwardedFor, lost }: NamedAddressee,
  index: number,
  atMs: number,
  from: string,
  directory: Directory,
): QueueRecipient {
  const recipient: QueueRecipient = {
    ...newRecipient(index, address, original, atMs, directory, options),
    ...(forwardedFor !== undefined && { forwardedFor }),
  }
  if (!lost) return recipient
  const { code, status, text } = lost
  const lastResult: DeliveryResult = {
    atMs,
    kind: 'permanent',
    code,
    status,
    text,
    courier: 'local',
    hop: directory.self,
  }
  const isTold = from !== '' && wantsNotice(options, 'failure')
  return { ...recipient, state: 'failed', lastResult, ...(isTold && { noticeOwed: index }) }
}
