// Tells a sender what became of a letter (RFC 3464). A notice has an id made from the letter's own, so that writing it
// again after a crash writes the same letter: the mailbox that has it leaves it out.
import { createHash } from 'node:crypto'
import { composeDsn, formatReceived, formatReturnPath, headerEnd, type DsnRecipient } from '@skein/mail'
import type { MessageLog } from '@skein/mailboxes'
import type { Directory } from '@skein/accounts'
import type { Clock, NodeId } from '@skein/runtime'
import type { QueueId, QueueItem, QueueRecipient, RecipientOptions } from './ports.ts'
import { meaningOf } from './route.ts'

export interface BounceComponents {
  log: MessageLog
  directory: Directory
  clock: Clock
}

export interface BounceSettings {
  hostName: string
  queueLifetimeMs: number
  /** As people call a node of the mesh. */
  nodeName(id: NodeId): string
}

/** Of the original letter only the header is given back, and of that no more than this. */
const headerBackBytesMax = 64 * 1024
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

/** The letter's time, then 80 bits of a hash: a ULID that each restart makes again. */
export function noticeId(letter: QueueId, kind: 'failure' | 'delay', notice: number): QueueId {
  const hash = createHash('sha256').update(`${letter} ${kind} ${notice}`).digest()
  let tail = ''
  for (let at = 0; at < 16; at++) tail += ALPHABET.charAt((hash[at] as number) & 31)
  return letter.slice(0, 10) + tail
}

/**
 * The notice as a letter, its bytes durable in the log; the caller puts it into the queue.
 * @param to where the sender's address leads; nowhere, and the notice fails as a letter to nobody does.
 */
export async function composeNotice(
  { log, directory, clock }: BounceComponents,
  item: QueueItem,
  to: readonly string[],
  recipients: readonly QueueRecipient[],
  kind: 'failure' | 'delay',
  notice: number,
  settings: BounceSettings,
): Promise<QueueItem> {
  const id = noticeId(item.id, kind, notice)
  const nowMs = clock.nowMs()
  const skip = item.returnPathBytes ?? 0
  const head = await log.read(item.blob, skip, Math.min(item.blob.length, skip + headerBackBytesMax))
  const messageId = `${id}@${settings.hostName}`
  const bytes = composeDsn({
    kind,
    reportingMta: settings.hostName,
    from: `MAILER-DAEMON@${settings.hostName}`,
    to: item.from,
    arrivalMs: item.receivedMs,
    nowMs,
    recipients: recipients.map((it) => reportOn(it, item, kind, settings)),
    originalHeader: head.subarray(0, headerEnd(head)),
    messageId,
    boundary: `=_${id}`,
  })
  const returnPath = Buffer.from(formatReturnPath(''))
  const received = formatReceived({ by: settings.hostName, protocol: 'SKEIN', id, for: item.from, dateMs: nowMs })
  const blob = await log.append([returnPath, Buffer.from(received), bytes])
  return {
    id,
    from: '',
    recipients: (to.length > 0 ? to : [item.from]).map((it, index) =>
      newRecipient(index, it, item.from, nowMs, directory),
    ),
    blob,
    returnPathBytes: returnPath.length,
    size: blob.length,
    messageId,
    receivedMs: nowMs,
    source: { kind: 'local', remoteAddress: '', node: directory.self, accountId: null },
    smtpUtf8: item.smtpUtf8,
    eightBit: item.eightBit,
  }
}

export function newRecipient(
  index: number,
  address: string,
  original: string,
  atMs: number,
  directory?: Directory,
  options?: RecipientOptions,
): QueueRecipient {
  const meaning = directory && meaningOf(directory, address)
  return {
    index,
    address,
    original,
    ...(meaning?.kind === 'account' && { accountId: meaning.entry.accountId }),
    state: 'pending',
    attempts: 0,
    nextAttemptMs: atMs,
    lastResult: null,
    delayNoticeSent: false,
    ...(options && { options }),
  }
}

function reportOn(
  recipient: QueueRecipient,
  item: QueueItem,
  kind: 'failure' | 'delay',
  settings: BounceSettings,
): DsnRecipient {
  const result = recipient.lastResult
  const common = {
    finalRecipient: recipient.address,
    ...(recipient.original !== recipient.address && { originalRecipient: recipient.original }),
    ...(result && { lastAttemptMs: result.atMs }),
    ...(result && result.courier !== 'local' && result.hop !== '' && { remoteMta: result.hop }),
  }
  const said = result ? `${result.code} ${result.status} ${result.text}` : '450 4.4.1 not tried yet'
  if (kind === 'delay') {
    const willRetryUntilMs = item.receivedMs + settings.queueLifetimeMs
    return { ...common, action: 'delayed', status: result?.status ?? '4.4.1', diagnosticCode: said, willRetryUntilMs }
  }
  if (recipient.state === 'cancelled') {
    const diagnosticCode = '554 5.7.1 taken out of the queue by the operator'
    return { ...common, action: 'failed', status: '5.7.1', diagnosticCode }
  }
  // RFC 3463 §3.5: a temporary trouble that lasted for the whole of a letter's life is final.
  const status = result?.kind === 'permanent' ? result.status : '5.4.7'
  return { ...common, action: 'failed', status, diagnosticCode: said + otherWays(recipient, settings) }
}

/** What the peers heard that tried as well. */
function otherWays({ refusedWays, lastResult }: QueueRecipient, { nodeName }: BounceSettings): string {
  const others = (refusedWays ?? []).filter((it) => it.result !== lastResult && it.result.text !== lastResult?.text)
  if (others.length === 0) return ''
  const told = others.map(({ node, result }) => `${nodeName(node)}: ${result.code} ${result.status} ${result.text}`)
  return ` (tried from other nodes too; ${told.join('; ')})`
}
