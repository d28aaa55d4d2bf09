// What intake does to a header: finds its end in bytes that come in pieces, counts hops, adds what a submission lacks,
// takes out Bcc. Every other byte stays as it came.
import {
  canonicalAddress,
  countReceived,
  decodedFieldValue,
  fieldValue,
  findMessageId,
  formatDate,
  formatField,
  mailLimits,
  parseAddressList,
  parseHeaderFields,
  type HeaderField,
} from '@skein/mail'
import { SkeinError } from '@skein/runtime'

/** Collects the first bytes of a letter until its header is complete. */
export class HeaderCollector {
  #held: Buffer | null = null

  get length(): number {
    return this.#held?.length ?? 0
  }

  /** @returns header (with its blank line) and what follows, once the end is in sight. May keep `chunk` until then. */
  add(chunk: Uint8Array): { header: Buffer; rest: Buffer } | undefined {
    const view = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    const before = this.#held
    const all = before ? Buffer.concat([before, view]) : view
    const end = blankLineEnd(all, Math.max(0, (before?.length ?? 0) - 3))
    if (end === undefined) {
      // A copy: whoever wrote the chunk may use its memory again.
      this.#held = before ? all : Buffer.from(view)
      return undefined
    }
    this.#held = null
    return { header: all.subarray(0, end), rest: all.subarray(end) }
  }

  /** A letter without a body. */
  end(): Buffer {
    const all = this.#held ?? Buffer.alloc(0)
    this.#held = null
    return all
  }
}

/** Offset after the first empty line, whichever line ends were used. */
function blankLineEnd(bytes: Buffer, from: number): number | undefined {
  if (from === 0) {
    if (bytes[0] === 10) return 1
    if (bytes[0] === 13 && bytes[1] === 10) return 2
  }
  const crlf = bytes.indexOf('\n\r\n', from, 'latin1')
  const before = crlf < 0 ? bytes : bytes.subarray(0, crlf + 1)
  const lf = before.indexOf('\n\n', from, 'latin1')
  if (lf >= 0) return lf + 2
  return crlf < 0 ? undefined : crlf + 3
}

export interface LetterHeader {
  /** The header as it is to be kept. */
  bytes: readonly Uint8Array[]
  /** Fields to put on top of it, ended by CRLF. */
  added: string
  /** Without brackets; '' where there is none. */
  messageId: string
  hops: number
  /** Addresses in Delivered-To fields, canonical: those from which it was sent on before. */
  deliveredTo: ReadonlySet<string>
  /** Canonical addresses of those in whose name it speaks, for submissions. */
  authors: string[]
}

// RFC 5322 §3.6.2, §3.6.6.
const authorFields = new Set(['from', 'sender', 'resent-from', 'resent-sender'])

/** Whether a name, in lower case, is one that this mesh gives itself. */
export type NameTest = (name: string) => boolean

/** A letter from another server: nothing is changed but what it claims to be our own findings. */
export function readRelayedHeader(header: Uint8Array, isOurs: NameTest): LetterHeader {
  const claimed = mayHoldResults(header)
    ? readFields(header).filter((field) => claimsOurResults(header, field, isOurs))
    : []
  return {
    bytes: without(header, claimed),
    added: '',
    messageId: findMessageId(header),
    hops: countReceived(header),
    deliveredTo: deliveredTo(header),
    authors: [],
  }
}

const resultsName = 'authentication-results'

/** @throws SkeinError `header-too-large` where some would not be looked at. */
function readFields(header: Uint8Array): HeaderField[] {
  const fields = parseHeaderFields(header)
  if (fields.length < mailLimits.headerFieldsMax) return fields
  throw new SkeinError('header-too-large', 'permanent', `message headers may have ${mailLimits.headerFieldsMax} fields`)
}

/** Mostly there is none, and the fields need not be looked at. */
function mayHoldResults(header: Uint8Array): boolean {
  const text = Buffer.from(header.buffer, header.byteOffset, header.byteLength).toString('latin1')
  return /authentication-results/i.test(text)
}

// RFC 8601 §5: what arrives with our name on it was not written by us.
function claimsOurResults(header: Uint8Array, field: HeaderField, isOurs: NameTest): boolean {
  return field.lower === resultsName && isOurs(authservId(fieldValue(header, field)))
}

/** In lower case, without comments (RFC 8601 §2.2). */
export function authservId(value: string): string {
  let at = 0
  for (;;) {
    while (/[ \t]/.test(value.charAt(at))) at++
    if (value.charAt(at) !== '(') break
    let depth = 0
    for (; at < value.length; at++) {
      const char = value.charAt(at)
      if (char === '\\') at++
      else if (char === '(') depth++
      else if (char === ')' && --depth === 0) break
    }
    at++
  }
  const rest = value.slice(at)
  const quoted = /^"((?:[^"\\]|\\.)*)"/.exec(rest)?.[1]?.replace(/\\(.)/g, '$1')
  return (quoted ?? /^[^\s;(]*/.exec(rest)?.[0] ?? '').toLowerCase().replace(/\.$/, '')
}

/** The header without some of its fields. */
function without(header: Uint8Array, fields: readonly HeaderField[]): Uint8Array[] {
  const bytes: Uint8Array[] = []
  let kept = 0
  for (const { start, end } of fields) {
    if (start > kept) bytes.push(header.subarray(kept, start))
    kept = end
  }
  bytes.push(kept === 0 ? header : header.subarray(kept))
  return bytes
}

// RFC 6409 §8: a submission server may complete what a mail program left out.
export function readSubmittedHeader(
  header: Uint8Array,
  made: { messageId: string; nowMs: number; sender?: (from: readonly string[]) => string | undefined },
  isOurs: NameTest,
): LetterHeader {
  const fields = readFields(header)
  const names = new Set(fields.map((field) => field.lower))
  let messageId = findMessageId(header)
  let added = ''
  if (!names.has('message-id')) {
    messageId = made.messageId
    added += `Message-ID: <${messageId}>\r\n`
  }
  if (!names.has('date')) added += `Date: ${formatDate(made.nowMs)}\r\n`
  const bytes = without(
    header,
    // RFC 5322 §3.6.3: others may not learn who was copied in secret.
    fields.filter((it) => it.lower === 'bcc' || it.lower === 'resent-bcc' || claimsOurResults(header, it, isOurs)),
  )
  const speaking = fields
    .filter(({ lower }) => authorFields.has(lower))
    .map((field) => ({ lower: field.lower, addresses: addressesIn(header, field) }))
  const authors = speaking.flatMap(({ addresses }) => addresses)
  const from = speaking.filter(({ lower }) => lower === 'from').flatMap(({ addresses }) => addresses)
  const sender = names.has('sender') ? undefined : made.sender?.(from)
  if (sender !== undefined) added += formatField('Sender', sender)
  return { bytes, added, messageId, hops: countReceived(header), deliveredTo: deliveredTo(header), authors }
}

/** In canonical form. */
function addressesIn(header: Uint8Array, field: HeaderField): string[] {
  return parseAddressList(decodedFieldValue(header, field)).flatMap(({ mailbox, host }) => {
    const address = mailbox && host ? canonicalAddress(`${mailbox}@${host}`) : undefined
    return address === undefined ? [] : [address]
  })
}

const nobody: ReadonlySet<string> = new Set()
const deliveredToMax = 100

/** Most letters have none: they are not taken apart for it. */
function deliveredTo(header: Uint8Array): ReadonlySet<string> {
  const text = Buffer.from(header.buffer, header.byteOffset, header.byteLength).toString('latin1')
  if (!['elivered-To', 'elivered-to', 'ELIVERED-TO'].some((name) => text.includes(name))) return nobody
  const fields = parseHeaderFields(header).filter(({ lower }) => lower === 'delivered-to')
  const addresses = fields.slice(0, deliveredToMax).map((field) => canonicalAddress(fieldValue(header, field).trim()))
  return new Set(addresses.filter((address) => address !== undefined))
}
