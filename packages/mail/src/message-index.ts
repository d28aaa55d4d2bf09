// The byte-offset index of a message (RFC 2045, 2046, RFC 9051 §7.5.2), made once at delivery.
// Promises: never throws; offsets nest and stay inside the message, however broken it is; one pass, linear time.
// A multipart always has a child and a message/rfc822 part always an envelope, so that IMAP can show every message:
// a multipart in which no delimiter is found gets its whole body as one text/plain part with an empty header.
import { trimBlanksEnd } from './blanks.ts'
import { parseAddressList } from './address-list.ts'
import { hasAttachment } from './attachment.ts'
import { asBuffer } from './byte-view.ts'
import { parseDate } from './date-time.ts'
import { type Delimiter, DelimiterScanner } from './delimiter-scanner.ts'
import { decodeHeaderText } from './encoded-word.ts'
import { type HeaderField, scanHeaderText, unfold } from './header.ts'
import { LineCounter } from './line-counter.ts'
import { type RawParameter, joinParameters, splitParameters, stripComments } from './parameters.ts'
import { previewText } from './readable-text.ts'
import type { Envelope, EnvelopeAddress, MessageIndex, MimePart } from './types.ts'
import { mailLimits } from './types.ts'

export function indexMessage(bytes: Uint8Array): MessageIndex {
  const buffer = asBuffer(bytes)
  const indexer = new MessageIndexer(buffer)
  const { part: root, header } = indexer.message()
  const envelope = header.envelope()
  const index: MessageIndex = {
    v: 1,
    envelope,
    root,
    subject: envelope.subject === null ? '' : decodeHeaderText(envelope.subject),
    preview: '',
    hasAttachment: hasAttachment(root),
    ...header.references(),
    dateMs: envelope.date === null ? null : parseDate(envelope.date),
  }
  index.preview = previewText(buffer, index)
  return index
}

interface Entity {
  part: MimePart
  header: EntityHeader
  /** The delimiter that ended it, of a multipart around it; null at the message's end. */
  ended: Delimiter | null
}

interface ContentType {
  type: string
  subtype: string
  raw: RawParameter[]
}

const plainText: ContentType = { type: 'text', subtype: 'plain', raw: [] }
const messageType: ContentType = { type: 'message', subtype: 'rfc822', raw: [] }
const opaque: ContentType = { type: 'application', subtype: 'octet-stream', raw: [] }

const LF = 10
const CR = 13
const DASH = 45

class MessageIndexer {
  private readonly buffer: Buffer
  private readonly scanner: DelimiterScanner
  private readonly lines: LineCounter
  private parts = 0

  constructor(buffer: Buffer) {
    this.buffer = buffer
    this.scanner = new DelimiterScanner(buffer)
    this.lines = new LineCounter(buffer)
  }

  message(): Entity {
    const entity = this.entity(0, plainText, 0)
    clamp(entity.part, this.buffer.length)
    this.countLines(entity.part)
    return entity
  }

  /** Reads the entity whose header starts at `start`, with all that is in it. */
  private entity(start: number, byDefault: ContentType, depth: number): Entity {
    this.parts += 1
    const { end: headerEnd, delimiter } = this.headerOf(start)
    const header = new EntityHeader(this.buffer.toString('latin1', start, headerEnd))
    const content = header.contentType(byDefault)
    const isMultipart = content.type === 'multipart'
    const isMessage = content.type === 'message' && (content.subtype === 'rfc822' || content.subtype === 'global')
    const tooDeep = depth >= mailLimits.mimeDepthMax && (isMultipart || isMessage)
    const part = header.part(tooDeep ? opaque : content, start, headerEnd)
    let ended = delimiter
    if (tooDeep || !(isMultipart || isMessage)) {
      if (delimiter === null) ended = this.scanner.find(headerEnd)
    } else if (isMessage) {
      ended = this.embedded(part, delimiter, depth)
    } else {
      ended = this.multipart(part, boundaryOf(content.raw), delimiter, depth)
    }
    part.bodyEnd = ended === null ? this.buffer.length : Math.max(headerEnd, this.lineBreakBefore(ended.start))
    return { part, header, ended }
  }

  /** The header's end: after its blank line, or where a delimiter or the message's end cuts it short. */
  private headerOf(start: number): { end: number; delimiter: Delimiter | null } {
    const { buffer } = this
    const length = buffer.length
    let position = start
    while (position < length) {
      const first = buffer[position]
      if (first === LF) return { end: position + 1, delimiter: null }
      if (first === CR && buffer[position + 1] === LF) return { end: position + 2, delimiter: null }
      if (first === DASH && buffer[position + 1] === DASH) {
        const delimiter = this.scanner.matchLine(position)
        if (delimiter !== null) return { end: position, delimiter }
      }
      const newline = buffer.indexOf(LF, position)
      if (newline < 0) break
      position = newline + 1
    }
    return { end: length, delimiter: null }
  }

  private embedded(part: MimePart, cut: Delimiter | null, depth: number): Delimiter | null {
    if (cut !== null) {
      // Its header was cut short by a delimiter: the message in it is empty.
      const header = new EntityHeader('')
      part.children.push(header.part(plainText, part.headerEnd, part.headerEnd))
      part.envelope = header.envelope()
      return cut
    }
    const { part: child, header, ended } = this.entity(part.headerEnd, plainText, depth + 1)
    part.children.push(child)
    part.envelope = header.envelope()
    return ended
  }

  private multipart(part: MimePart, boundary: string, cut: Delimiter | null, depth: number): Delimiter | null {
    let next = cut
    if (cut === null) next = boundary === '' ? this.scanner.find(part.headerEnd) : this.children(part, boundary, depth)
    if (part.children.length === 0) {
      // RFC 9051 §9 body-type-mpart needs at least one body.
      const child = new EntityHeader('').part(plainText, part.headerEnd, part.headerEnd)
      child.bodyEnd = next === null ? this.buffer.length : Math.max(part.headerEnd, this.lineBreakBefore(next.start))
      part.children.push(child)
    }
    return next
  }

  private children(part: MimePart, boundary: string, depth: number): Delimiter | null {
    const byDefault = part.subtype === 'digest' ? messageType : plainText
    const level = this.scanner.push(boundary)
    let found = this.scanner.find(part.headerEnd)
    while (found !== null && found.level === level && !found.closing) {
      if (this.parts >= mailLimits.mimePartsMax) {
        // What comes after is left out of the index; the search goes on, for where the parts around it end.
        found = this.scanner.find(found.next)
        continue
      }
      const child = this.entity(found.next, byDefault, depth + 1)
      part.children.push(child.part)
      found = child.ended
    }
    this.scanner.pop()
    // After the closing delimiter comes the epilogue, which a delimiter further out ends.
    if (found !== null && found.level === level) found = this.scanner.find(found.next)
    return found
  }

  /** RFC 2046 §5.1.1: the line break before a delimiter belongs to the delimiter. */
  private lineBreakBefore(start: number): number {
    if (start > 0 && this.buffer[start - 1] === LF)
      return start > 1 && this.buffer[start - 2] === CR ? start - 2 : start - 1
    return start
  }

  private countLines(part: MimePart): void {
    if (part.type === 'text' || part.envelope !== null) part.lines = this.lines.count(part.bodyStart, part.bodyEnd)
    for (const child of part.children) this.countLines(child)
  }
}

/** Keeps a part cut short by the end of the one around it (which gives up its last line break) inside that one. */
function clamp(part: MimePart, limit: number): void {
  if (part.headerStart > limit) part.headerStart = limit
  if (part.headerEnd > limit) part.headerEnd = limit
  if (part.bodyStart > limit) part.bodyStart = limit
  if (part.bodyEnd > limit) part.bodyEnd = limit
  for (const child of part.children) clamp(child, part.bodyEnd)
}

/** RFC 2046 §5.1.1, as written: no decoding, no trailing blanks. */
function boundaryOf(raw: readonly RawParameter[]): string {
  const plain = raw.find((parameter) => parameter.name === 'boundary')
  if (plain !== undefined) return trimBlanksEnd(plain.value)
  if (!raw.some((parameter) => parameter.name.startsWith('boundary*'))) return ''
  return trimBlanksEnd(joinParameters(raw)['boundary'] ?? '')
}

const token = /^[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]+$/

class EntityHeader {
  private readonly text: string
  private readonly fields: HeaderField[]

  constructor(text: string) {
    this.text = text
    this.fields = text === '' ? [] : scanHeaderText(text, 0)
  }

  private value(field: HeaderField): string {
    return unfold(this.text.slice(field.valueStart, field.end))
  }

  /** The first of that name counts. */
  private first(lower: string): string | null {
    for (const field of this.fields) if (field.lower === lower) return this.value(field)
    return null
  }

  contentType(byDefault: ContentType): ContentType {
    const value = this.first('content-type')
    if (value === null) return byDefault
    const { value: full, raw } = splitParameters(value)
    const slash = full.indexOf('/')
    const type = full.slice(0, Math.max(slash, 0)).trim().toLowerCase()
    const subtype = full
      .slice(slash + 1)
      .trim()
      .toLowerCase()
    // RFC 2045 §5.2: what cannot be read is plain text.
    if (slash < 0 || !token.test(type) || !token.test(subtype)) return { ...byDefault, raw }
    return { type, subtype, raw }
  }

  part(content: ContentType, start: number, end: number): MimePart {
    const part: MimePart = {
      type: content.type,
      subtype: content.subtype,
      parameters: content.raw.length === 0 ? {} : joinParameters(content.raw),
      disposition: null,
      id: null,
      description: null,
      encoding: '7bit',
      language: null,
      location: null,
      md5: null,
      headerStart: start,
      headerEnd: end,
      bodyStart: end,
      bodyEnd: end,
      lines: 0,
      children: [],
      envelope: null,
    }
    // From the last to the first, so that the first of each name stays.
    for (let i = this.fields.length - 1; i >= 0; i -= 1) {
      const field = this.fields[i]
      if (field !== undefined && field.lower.startsWith('content-')) this.setContentField(part, field)
    }
    return part
  }

  private setContentField(part: MimePart, field: HeaderField): void {
    const value = this.value(field)
    switch (field.lower) {
      case 'content-transfer-encoding':
        part.encoding = /[^ \t;]+/.exec(stripComments(value))?.[0].toLowerCase() ?? '7bit'
        return
      case 'content-disposition': {
        const { value: type, raw } = splitParameters(value)
        part.disposition = token.test(type) ? { type: type.toLowerCase(), parameters: joinParameters(raw) } : null
        return
      }
      case 'content-id':
        part.id = value === '' ? null : value
        return
      case 'content-description':
        part.description = value === '' ? null : value
        return
      case 'content-language': {
        const tags = stripComments(value).split(',')
        const language = tags.map((tag) => tag.trim()).filter((tag) => tag !== '')
        part.language = language.length > 0 ? language : null
        return
      }
      case 'content-location':
        part.location = value === '' ? null : value
        return
      case 'content-md5':
        part.md5 = value === '' ? null : value
        return
      default:
    }
  }

  /** RFC 9051 §7.5.2: of fields that may stand once the first counts; address fields that stand twice are joined. */
  envelope(): Envelope {
    const from = this.addresses('from')
    const sender = this.addresses('sender')
    const replyTo = this.addresses('reply-to')
    return {
      date: this.first('date'),
      subject: this.first('subject'),
      from,
      sender: sender.length > 0 ? sender : from,
      replyTo: replyTo.length > 0 ? replyTo : from,
      to: this.addresses('to'),
      cc: this.addresses('cc'),
      bcc: this.addresses('bcc'),
      inReplyTo: this.first('in-reply-to'),
      messageId: this.first('message-id'),
    }
  }

  private addresses(lower: string): EnvelopeAddress[] {
    const values: string[] = []
    for (const field of this.fields) if (field.lower === lower) values.push(this.value(field))
    if (values.length === 0) return []
    return parseAddressList(values.length === 1 ? (values[0] ?? '') : values.join(','))
  }

  /** Message-IDs that the message refers to, and from which place on only In-Reply-To names them. */
  references(): Pick<MessageIndex, 'references' | 'inReplyToFrom'> {
    const found = new Set<string>()
    let named = 0
    for (const name of ['references', 'in-reply-to']) {
      named = found.size
      for (const match of (this.first(name) ?? '').matchAll(/<([^<> \t]+)>/g)) found.add(match[1] ?? '')
    }
    const all = [...found]
    const dropped = Math.max(0, all.length - mailLimits.referencesMax)
    return {
      // The thread's start and its newest letters say most.
      references: dropped === 0 ? all : [...all.slice(0, 1), ...all.slice(1 + dropped)],
      ...(named < all.length ? { inReplyToFrom: Math.max(Math.min(named, 1), named - dropped) } : {}),
    }
  }
}
