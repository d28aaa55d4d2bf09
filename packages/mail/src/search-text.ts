// What a search looks through: the texts of a message, with differences of case, width and form taken away.
// Promises: never throws; the same bytes always give the same texts, so that an index and a plain look agree.
import { decodedFieldValue, parseHeaderFields } from './header.ts'
import { decodeHeaderText } from './encoded-word.ts'
import { allText } from './readable-text.ts'
import { unicodeCasemap } from './unicode-casemap.ts'
import type { EnvelopeAddress, MessageIndex, MimePart } from './types.ts'

/** The form in which texts are compared (RFC 5051), without NUL. */
export function foldText(text: string): string {
  const folded = unicodeCasemap(text)
  return folded.includes('\0') ? folded.replaceAll('\0', ' ') : folded
}

/** Addresses as a person writes them, folded. */
export function foldedAddresses(addresses: readonly EnvelopeAddress[]): string {
  return foldText(addresses.map(oneAddress).join(', '))
}

function oneAddress({ name, mailbox, host }: EnvelopeAddress): string {
  const address = host === null ? (mailbox ?? '') : `${mailbox ?? ''}@${host}`
  return name === null ? address : `${name} <${address}>`
}

/** Signatures and tokens of machines: nothing that a person looks for, and different in every letter. */
const machineFields = new Set([
  'dkim-signature',
  'domainkey-signature',
  'x-google-dkim-signature',
  'arc-seal',
  'arc-message-signature',
  'x-gm-message-state',
  'x-ms-exchange-antispam-messagedata-0',
])

/** @param name of a header field, in any case */
export function isMachineField(name: string): boolean {
  return machineFields.has(name.toLowerCase())
}

/** `name: value` lines of the message's header, decoded and folded, without those of machines. */
export function foldedHeader(header: Uint8Array): string {
  return foldText(headerLines(header, 0, header.length, false))
}

/** Those of machines: only who asks for such a field by its name finds it. */
export function foldedMachineHeader(header: Uint8Array): string {
  return foldText(headerLines(header, 0, header.length, true))
}

/** The same of the parts' headers (RFC 9051 §6.4.4 TEXT: MIME header fields too) and of enclosed messages' ones. */
export function foldedPartHeaders(bytes: Uint8Array, index: MessageIndex): string {
  const lines: string[] = []
  for (const child of index.root.children) collectHeaders(bytes, child, lines)
  return foldText(lines.join('\n'))
}

function collectHeaders(bytes: Uint8Array, part: MimePart, out: string[]): void {
  const own = headerLines(bytes, part.headerStart, part.headerEnd, false)
  if (own !== '') out.push(own)
  // RFC 2231 spells names in ways that nobody types.
  for (const name of [part.parameters['name'], part.disposition?.parameters['filename']]) {
    if (name !== undefined) out.push(decodeHeaderText(name))
  }
  for (const child of part.children) collectHeaders(bytes, child, out)
}

function headerLines(bytes: Uint8Array, start: number, end: number, machine: boolean): string {
  return parseHeaderFields(bytes, start, end)
    .filter((field) => machineFields.has(field.lower) === machine)
    .map((field) => `${field.name}: ${decodedFieldValue(bytes, field)}`)
    .join('\n')
}

/** Every text part, folded. */
export function foldedBody(bytes: Uint8Array, index: MessageIndex): string {
  return foldText(allText(bytes, index))
}

/** Whether a field of that name has `wanted` in its value, both folded; '' finds any value. @param header as `foldedHeader` */
export function foldedHeaderHas(header: string, name: string, wanted: string): boolean {
  const start = `${name}: `
  for (let at = header.startsWith(start) ? 0 : header.indexOf(`\n${start}`); at >= 0;) {
    const from = (header[at] === '\n' ? at + 1 : at) + start.length
    const end = header.indexOf('\n', from)
    const value = header.slice(from, end < 0 ? header.length : end)
    if (value.includes(wanted)) return true
    at = end < 0 ? -1 : header.indexOf(`\n${start}`, end)
  }
  return false
}
