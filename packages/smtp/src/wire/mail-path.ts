// Reads `MAIL FROM:<path> parameters` and `RCPT TO:<path> parameters` (RFC 5321 §4.1.2, §4.1.1.11), addresses as written.
import { isIPv4, isIPv6 } from 'node:net'

export interface PathCommand {
  /** '' for the null path `<>`. Source routes are taken off. */
  address: string
  /** Upper-case keywords; '' for one without a value. */
  parameters: Map<string, string>
}

export type PathFault = 'path-syntax' | 'parameter-syntax'

// Letters beyond ASCII by RFC 6531 §3.3; not U+FFFD (what broken UTF-8 becomes), C1 controls and invisible spaces,
// which make one address look like another.
const beyondAscii =
  '\\u00a0-\\u200a\\u200c-\\u200f\\u2010-\\u2027\\u2030-\\u205f\\u2061-\\ufefe\\uff00-\\ufffc\\u{10000}-\\u{10ffff}'
const atom = `[A-Za-z0-9!#$%&'*+/=?^_\`{|}~${beyondAscii}-]+`
const dotString = new RegExp(`^${atom}(?:\\.${atom})*$`, 'u')
const quotedString = new RegExp(`^"(?:[ !#-\\[\\]-~${beyondAscii}]|\\\\[ -~])*"$`, 'u')
// The underscore is no host-name character, but stands in names that send mail.
const label = `[A-Za-z0-9_${beyondAscii}](?:[A-Za-z0-9_${beyondAscii}-]*[A-Za-z0-9_${beyondAscii}])?`
const domainName = new RegExp(`^${label}(?:\\.${label})*$`, 'u')
const sourceRoute = /^@[^\s,:@]+(?:,@[^\s,:@]+)*:/
const parameter = /^([A-Za-z0-9][A-Za-z0-9-]*)(?:=([!-<>-~\u0080-\uffff]+))?$/

/** @param verb `MAIL FROM` or `RCPT TO` */
export function parsePathCommand(line: string, verb: string, pathBytesMax: number): PathCommand | PathFault {
  if (line.length <= verb.length || line.slice(0, verb.length).toUpperCase() !== verb) return 'path-syntax'
  const colon = /^ *: *</.exec(line.slice(verb.length))
  if (!colon) return 'path-syntax'
  const start = verb.length + colon[0].length
  const end = endOfPath(line, start)
  if (end < 0) return 'path-syntax'
  const address = line.slice(start, end).replace(sourceRoute, '')
  if (Buffer.byteLength(address) + 2 > pathBytesMax) return 'path-syntax'
  const parameters = new Map<string, string>()
  const rest = line.slice(end + 1)
  if (rest !== '' && rest.trim() !== '') {
    if (!rest.startsWith(' ')) return 'path-syntax'
    for (const word of rest.trim().split(/ +/)) {
      const match = parameter.exec(word)
      const keyword = match?.[1]?.toUpperCase()
      // RFC 5321 §4.1.1.11: a parameter comes once.
      if (keyword === undefined || parameters.has(keyword)) return 'parameter-syntax'
      parameters.set(keyword, match?.[2] ?? '')
    }
  }
  return { address, parameters }
}

/** Offset of the closing `>`, which a quoted local part may also hold; -1 where there is none. */
function endOfPath(line: string, start: number): number {
  const end = line.indexOf('>', start)
  const quote = line.indexOf('"', start)
  if (quote < 0 || end < quote) return end
  const quoted = /^"(?:[^"\\]|\\.)*"/.exec(line.slice(quote))
  return quoted ? line.indexOf('>', quote + quoted[0].length) : -1
}

/** True for `local@domain` by RFC 5321 §4.1.2, with the letters of RFC 6531. */
export function isMailbox(address: string): boolean {
  const at = address.lastIndexOf('@')
  if (at <= 0) return false
  const local = address.slice(0, at)
  const domain = address.slice(at + 1)
  if (!dotString.test(local) && !quotedString.test(local)) return false
  if (domain.startsWith('[') && domain.endsWith(']')) {
    const literal = domain.slice(1, -1)
    return /^IPv6:/i.test(literal) ? isIPv6(literal.slice(5)) : isIPv4(literal)
  }
  return domainName.test(domain)
}

// oxlint-disable-next-line no-control-regex
const nonAscii = /[^\x00-\x7f]/

export function isAscii(text: string): boolean {
  return !nonAscii.test(text)
}
