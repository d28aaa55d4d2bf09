// The text of a message: what a person reads (BODY search, previews), all of its text parts, any one part's bytes.
// Promises: never throws; works on what `indexMessage` gave for the same bytes, and on no more than asked for.
import { asBuffer } from './byte-view.ts'
import { decodeText } from './charset.ts'
import { htmlText } from './html-text.ts'
import { decodeTransfer } from './transfer-encoding.ts'
import type { MessageIndex, MimePart } from './types.ts'
import { mailLimits } from './types.ts'

/** The part's body after its transfer encoding (base64, quoted-printable); may be a view of `bytes`. */
export function decodePart(bytes: Uint8Array, part: MimePart): Uint8Array {
  return decodeTransfer(bytes.subarray(part.bodyStart, part.bodyEnd), part.encoding)
}

/** The plain text, or text made from the HTML; inline text parts one after another, attachments left out. */
export function readableText(bytes: Uint8Array, index: MessageIndex): string {
  return joined(readableParts(index.root), (part) => partText(bytes, part))
}

/** Every text part, attachments and enclosed messages too. */
export function allText(bytes: Uint8Array, index: MessageIndex): string {
  const parts: MimePart[] = []
  collectText(index.root, parts)
  return joined(parts, (part) => partText(bytes, part))
}

function joined(parts: readonly MimePart[], textOf: (part: MimePart) => string): string {
  const texts: string[] = []
  for (const part of parts) {
    const text = textOf(part)
    if (text !== '') texts.push(text)
  }
  return texts.join('\n')
}

function collectText(part: MimePart, out: MimePart[]): void {
  if (part.type === 'text') out.push(part)
  for (const child of part.children) collectText(child, out)
}

/** Unicode text of one text part; HTML as the text that it shows. */
export function partText(bytes: Uint8Array, part: MimePart): string {
  const decoded = decodePart(bytes, part)
  const text = decodeText(decoded, charsetOf(part, decoded))
  return isHtml(part) ? htmlText(text) : text
}

function isHtml(part: MimePart): boolean {
  return part.subtype === 'html' || part.subtype === 'xhtml'
}

function charsetOf(part: MimePart, decoded: Uint8Array): string | null {
  const named = part.parameters['charset']
  if (named !== undefined && named !== '') return named
  return isHtml(part) ? metaCharset(decoded) : null
}

/** HTML that says its charset only in itself. */
function metaCharset(decoded: Uint8Array): string | null {
  const head = asBuffer(decoded).toString('latin1', 0, 1024)
  return /<meta[^>]{0,200}charset\s*=\s*["']?([A-Za-z0-9_:.-]{1,40})/i.exec(head)?.[1] ?? null
}

/** In reading order; of alternatives the plainest that says something. */
export function readableParts(root: MimePart): MimePart[] {
  const parts: MimePart[] = []
  collectReadable(root, parts)
  return parts
}

function collectReadable(part: MimePart, out: MimePart[]): void {
  if (part.type === 'text') {
    const shown = part.subtype === 'plain' || part.subtype === 'enriched' || isHtml(part)
    if (shown && part.disposition?.type !== 'attachment') out.push(part)
    return
  }
  if (part.type !== 'multipart') return
  if (part.subtype === 'alternative') {
    const chosen = plainest(part.children)
    if (chosen !== undefined) collectReadable(chosen, out)
    return
  }
  // RFC 2387 §3.2: the root stands first, or is named by `start`; RFC 1847: the second part is the signature.
  if (part.subtype === 'related') {
    const start = part.parameters['start']
    const root = part.children.find((child) => start !== undefined && child.id === start) ?? part.children[0]
    if (root !== undefined) collectReadable(root, out)
    return
  }
  const first = part.subtype === 'signed' || part.subtype === 'report'
  for (const child of first ? part.children.slice(0, 1) : part.children) collectReadable(child, out)
}

function plainest(children: readonly MimePart[]): MimePart | undefined {
  const plain = children.find(
    (child) => child.type === 'text' && child.subtype === 'plain' && child.bodyEnd - child.bodyStart > 2,
  )
  if (plain !== undefined) return plain
  return (
    children.find((child) => child.type === 'text' && isHtml(child)) ??
    children.find((child) => child.type === 'multipart') ??
    children[0]
  )
}

/** RFC 8970 §3: the first `previewCharactersMax` characters, white space folded. */
export function previewText(bytes: Uint8Array, index: MessageIndex): string {
  let preview = ''
  for (const part of readableParts(index.root)) {
    const text = partPreview(bytes, part)
    if (text === '') continue
    preview = preview === '' ? text : `${preview} ${text}`
    if (preview.length >= mailLimits.previewCharactersMax) break
  }
  return cut(preview, mailLimits.previewCharactersMax)
}

/** Bytes of a plain text part that hold a preview's characters in all but strange cases. */
const previewPlainBytes = 4096

/** White space, controls, and what newsletters pad their previews with. */
const unseen = /(?:[\s\p{Cc}\p{Cf}]|\u034f)+/gu

function partPreview(bytes: Uint8Array, part: MimePart): string {
  const sourceMax = isHtml(part) ? mailLimits.previewSourceBytesMax : previewPlainBytes
  const end = Math.min(part.bodyEnd, part.bodyStart + sourceMax)
  const decoded = decodeTransfer(bytes.subarray(part.bodyStart, end), part.encoding)
  let text = decodeText(decoded, charsetOf(part, decoded))
  // A character cut in two at the end.
  if (end < part.bodyEnd && text.endsWith('\ufffd')) text = text.slice(0, -1)
  if (isHtml(part)) text = htmlText(text, mailLimits.previewCharactersMax)
  return folded(text, mailLimits.previewCharactersMax)
}

/** The first `charactersMax` characters or some more, white space folded; reads no more of the text than it needs. */
function folded(text: string, charactersMax: number): string {
  let out = ''
  let position = 0
  while (position < text.length && out.length < charactersMax) {
    const end = position + charactersMax * 2
    const slice = text.slice(position, end).replace(unseen, ' ')
    out = (out + slice).replace(/ {2,}/g, ' ').trimStart()
    position = end
  }
  return out.trimEnd()
}

/** At most `charactersMax` UTF-16 units, never half a character. */
function cut(text: string, charactersMax: number): string {
  if (text.length <= charactersMax) return text
  const last = text.charCodeAt(charactersMax - 1)
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? charactersMax - 1 : charactersMax)
}
