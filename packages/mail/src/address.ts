// Addresses (RFC 5321 §4.1.2, RFC 5322 §3.4, RFC 6531): header lists to envelope addresses, and the one canonical
// spelling by which Skein knows an address.
// Promises: never throws; linear time; `canonicalAddress` of its own result is the same.
import { domainToASCII } from 'node:url'
import { encodeSpan, encodeWords } from './encoded-word.ts'
import { mailLimits } from './types.ts'

export { parseAddressList } from './address-list.ts'

const asciiDomain = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*$/
const dotAtom =
  /^[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~\u0080-\u{10ffff}]+(?:\.[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~\u0080-\u{10ffff}]+)*$/u
/** Separators, controls, format characters, private use, surrogates: nothing that a person could mean. */
const unusable = /[\p{Z}\p{Cc}\p{Cf}\p{Co}\p{Cs}\ufffd]/u

/**
 * Lower case, domain as A-labels, local part in NFC, quotes only where they are needed.
 * Undefined where the text is no address, or too long for SMTP.
 */
export function canonicalAddress(text: string): string | undefined {
  const at = text.lastIndexOf('@')
  if (at <= 0) return undefined
  const domain = canonicalDomain(text.slice(at + 1))
  if (domain === undefined) return undefined
  const local = canonicalLocal(text.slice(0, at))
  return local === undefined ? undefined : `${local}@${domain}`
}

function canonicalLocal(text: string): string | undefined {
  let local = localContent(text)
  if (local === undefined) return undefined
  const ascii = isAsciiText(local)
  if (!ascii && (unusable.test(local.replaceAll(' ', '')) || !local.isWellFormed())) return undefined
  local = ascii ? local.toLowerCase() : local.normalize('NFC').toLowerCase().normalize('NFC')
  // Normalising may bring in what an atom cannot hold.
  const spelt = spellLocal(local)
  return (ascii ? spelt.length : Buffer.byteLength(spelt)) <= mailLimits.localPartBytesMax ? spelt : undefined
}

/** A local part without quotes, or undefined where it is none. */
export function localContent(text: string): string | undefined {
  if (text.startsWith('"')) return unquote(text)
  return dotAtom.test(text) ? text : undefined
}

/** The other way: with quotes only where they are needed. */
export function spellLocal(content: string): string {
  return dotAtom.test(content) ? content : `"${content.replace(/["\\]/g, '\\$&')}"`
}

/** Content of a whole quoted string (RFC 5321 §4.1.2), or undefined where it is none. */
function unquote(text: string): string | undefined {
  let content = ''
  for (let i = 1; i < text.length; i += 1) {
    const char = text[i] ?? ''
    if (char === '"') return i === text.length - 1 ? content : undefined
    if (char === '\\') {
      i += 1
      const next = text[i]
      if (next === undefined || next < ' ' || next > '~') return undefined
      content += next
    } else if (char < ' ' || char === '\u007f') return undefined
    else content += char
  }
  return undefined
}

function isAsciiText(text: string): boolean {
  return !/[^\u0020-\u007e]/.test(text)
}

/** Lower-case A-label form without a final dot; address literals as `[1.2.3.4]`, `[ipv6:::1]`. */
export function canonicalDomain(text: string): string | undefined {
  if (text.startsWith('[')) return canonicalLiteral(text)
  if (text.length > mailLimits.domainBytesMax + 1) return undefined
  let domain = (text.endsWith('.') ? text.slice(0, -1) : text).toLowerCase()
  if (!isAsciiText(domain) || domain.includes('xn--')) {
    if (!/^[a-z0-9._\-\u0080-\u{10ffff}]+$/u.test(domain) || !domain.isWellFormed()) return undefined
    domain = domainToASCII(domain)
    if (domain.endsWith('.')) domain = domain.slice(0, -1)
  }
  if (domain.length > mailLimits.domainBytesMax || !asciiDomain.test(domain)) return undefined
  // A last label of digits reads as an IPv4 address, which belongs in brackets (RFC 5321 §4.1.3).
  return /(?:^|\.)(?:\d+|0x[0-9a-f]*)$/.test(domain) ? undefined : domain
}

// RFC 5321 §4.1.3
function canonicalLiteral(text: string): string | undefined {
  const match = /^\[(?:(ipv6:)([0-9a-f:.]{2,45})|(\d{1,3}(?:\.\d{1,3}){3}))\]$/i.exec(text)
  if (match === null) return undefined
  if (match[1] === undefined) {
    const octets = (match[3] ?? '').split('.').map(Number)
    return octets.every((octet) => octet <= 255) ? `[${octets.join('.')}]` : undefined
  }
  const host = URL.parse(`http://[${match[2] ?? ''}]/`)?.hostname
  return host === undefined ? undefined : `[ipv6:${host.slice(1)}`
}

/** At the last `@`; the domain is '' where there is none. */
export function splitAddress(address: string): { local: string; domain: string } {
  const at = address.lastIndexOf('@')
  return at < 0 ? { local: address, domain: '' } : { local: address.slice(0, at), domain: address.slice(at + 1) }
}

/** RFC 5233: `user+tag` to `user` and `tag`; tag null where there is none. A quoted local part has no tag. */
export function stripSubaddress(local: string): { base: string; tag: string | null } {
  const plus = local.indexOf('+')
  if (plus <= 0 || local.startsWith('"')) return { base: local, tag: null }
  return { base: local.slice(0, plus), tag: local.slice(plus + 1) }
}

/** `Name <address>` for a header: name quoted or encoded as it needs, nothing that could end the line. */
export function formatMailbox(name: string | null, address: string): string {
  const plainAddress = address.replace(/[\u0000-\u001f\u007f<>]+/g, '')
  const text = (name ?? '').replace(/[\u0000-\u001f\u007f]+/g, ' ').trim()
  if (text === '') return plainAddress
  return `${formatPhrase(text)} <${plainAddress}>`
}

function formatPhrase(text: string): string {
  if (/^[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~ ]*$/.test(text) && !text.includes('=?') && !text.includes('  ')) return text
  if (isAsciiText(text) && !text.includes('=?') && text.length <= 200) return `"${text.replace(/["\\]/g, '\\$&')}"`
  const words = encodeWords(text)
  // Words that stay plain beside encoded ones must be atoms (RFC 2047 §5 (3)): else the whole name is encoded.
  return /^[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~ ]*$/.test(words) ? words : encodeSpan(text.toWellFormed())
}
