// Tells a sender what became of a letter (RFC 3464). A notice has an id made from the letter's own, so that writing it
// again after a crash writes the same letter: the mailbox that has it leaves it out.
import { createHash } from 'node:crypto'
import {
  composeDsn,
  decodeXtext,
  formatReceived,
  formatReturnPath,
  headerEnd,
  type DsnKind,
  type DsnRecipient,
} from '@skein/mail'
import type { MessageLog } from '@skein/mailboxes'
import type { Directory } from '@skein/accounts'
import type { Clock, NodeId } from '@skein/runtime'
import type { LetterExaminer, QueueId, QueueItem, QueueRecipient, RecipientOptions } from './ports.ts'
import { ageStartMs, type ReportKind } from './queue.ts'
import { meaningOf } from './route.ts'

export interface BounceComponents {
  log: MessageLog
  directory: Directory
  clock: Clock
  examiner?: LetterExaminer
}

export interface BounceSettings {
  hostName: string
  queueLifetimeMs: number
  /** As people call a node of the mesh. */
  nodeName(id: NodeId): string
}

/** What is given back of a letter's header, and the largest letter that goes back whole (RFC 3461 §4.3). */
const headerBackBytesMax = 64 * 1024
const letterBackBytesMax = 1024 * 1024
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

/** The letter's time, then 80 bits of a hash: a ULID that each restart makes again. */
export function noticeId(letter: QueueId, kind: ReportKind, notice: number): QueueId {
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
  { log, directory, clock, examiner }: BounceComponents,
  item: QueueItem,
  to: readonly string[],
  recipients: readonly QueueRecipient[],
  kind: ReportKind,
  notice: number,
  settings: BounceSettings,
): Promise<QueueItem> {
  const id = noticeId(item.id, kind, notice)
  const nowMs = clock.nowMs()
  const skip = item.returnPathBytes ?? 0
  // RFC 3461 §4.3: only a failure brings the whole letter back; RFC 8689 §5: not through a network that may not have seen it.
  const goesBack = kind === 'failure' && item.options?.ret === 'full' && !item.options.requireTls
  const whole = goesBack && item.blob.length - skip <= letterBackBytesMax
  const backBytes = whole ? item.blob.length : Math.min(item.blob.length, skip + headerBackBytesMax)
  const back = await log.read(item.blob, skip, backBytes)
  const messageId = `${id}@${settings.hostName}`
  const envid = item.options?.envid
  const bytes = composeDsn({
    kind: dsnKindOf(kind, recipients),
    reportingMta: settings.hostName,
    from: `MAILER-DAEMON@${settings.hostName}`,
    to: item.from,
    ...(envid !== undefined && { originalEnvelopeId: decodeXtext(envid) }),
    arrivalMs: item.receivedMs,
    nowMs,
    recipients: kind === 'expansion' ? expansions(item) : recipients.map((it) => reportOn(it, item, kind, settings)),
    originalHeader: back.subarray(0, headerEnd(back)),
    ...(whole && { original: back }),
    messageId,
    boundary: `=_${id}`,
  })
  const returnPath = Buffer.from(formatReturnPath(''))
  const received = formatReceived({ by: settings.hostName, protocol: 'SKEIN', id, for: item.from, dateMs: nowMs })
  const signature = (await examiner?.signOwn(bytes)) ?? ''
  const blob = await log.append([returnPath, Buffer.from(signature + received), bytes])
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
    eightBit: bytes.some((byte) => byte > 127),
    // RFC 8689 §5: what a notice tells of the letter deserves the letter's protection.
    ...(item.options?.requireTls && { options: { requireTls: true } }),
  }
}

function dsnKindOf(kind: ReportKind, recipients: readonly QueueRecipient[]): DsnKind {
  if (kind === 'expansion') return 'expanded'
  if (kind === 'late') return 'delay'
  return kind === 'success' && recipients[0]?.successOwed?.action === 'relayed' ? 'relayed' : kind
}

function expansions({ expansionsOwed = [] }: QueueItem): DsnRecipient[] {
  return expansionsOwed.map(({ original, orcpt }) => {
    const common = { finalRecipient: original, ...originalRecipient(orcpt) }
    return { ...common, action: 'expanded', status: '2.1.5', diagnosticCode: '' }
  })
}

/** ORCPT (RFC 3461 §4.2) in the words of RFC 3464 §2.3.1. */
function originalRecipient(orcpt: string | undefined): Partial<DsnRecipient> {
  if (orcpt === undefined) return {}
  const semicolon = orcpt.indexOf(';')
  const type = orcpt.slice(0, semicolon).toLowerCase()
  const address = decodeXtext(orcpt.slice(semicolon + 1))
  return { originalRecipient: address, ...(type !== 'rfc822' && type !== 'utf-8' && { originalRecipientType: type }) }
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
  kind: Exclude<ReportKind, 'expansion'>,
  settings: BounceSettings,
): DsnRecipient {
  const result = recipient.lastResult
  const orcpt = recipient.options?.orcpt
  const common = {
    finalRecipient: recipient.address,
    ...(recipient.original !== recipient.address && { originalRecipient: recipient.original }),
    ...originalRecipient(orcpt),
    ...(result && { lastAttemptMs: result.atMs }),
    ...(result && result.courier !== 'local' && result.hop !== '' && { remoteMta: result.hop }),
  }
  if (kind === 'success') {
    const { action = 'delivered' } = recipient.successOwed ?? {}
    const said = result ? `${result.code} ${result.status} ${result.text}` : ''
    return {
      ...common,
      action,
      status: result?.status.startsWith('2.') ? result.status : '2.0.0',
      diagnosticCode: said,
    }
  }
  const said = result ? `${result.code} ${result.status} ${result.text}` : '450 4.4.1 not tried yet'
  if (kind === 'delay' || kind === 'late') {
    const willRetryUntilMs = ageStartMs(item) + settings.queueLifetimeMs
    // RFC 2852 §4: 4.4.7 where the sender's own time is over.
    const status = kind === 'late' ? '4.4.7' : (result?.status ?? '4.4.1')
    return { ...common, action: 'delayed', status, diagnosticCode: said, willRetryUntilMs }
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
