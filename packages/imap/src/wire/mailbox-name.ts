// Mailbox names on the wire: sent as modified UTF-7 (RFC 3501 §5.1.3), or as UTF-8 once the client asked for it (RFC 6855).
// Read leniently: what is not ASCII stands for itself, since there are clients that send UTF-8 without having asked.
import { fault } from './syntax-error.ts'

/** Unicode to modified UTF-7. */
export function encodeMailboxName(name: string): string {
  if (/^[ -%'-~]*$/.test(name)) return name
  return name.replaceAll('&', '&-').replaceAll(/[^ -~]+/g, (run) => {
    const bytes = Buffer.from(run, 'utf16le').swap16()
    return `&${bytes.toString('base64').replaceAll('/', ',').replaceAll('=', '')}-`
  })
}

/**
 * @param text as Unicode: the bytes, read as UTF-8
 * @throws SyntaxFault where it is not well-formed modified UTF-7
 */
export function decodeMailboxName(text: string): string {
  if (/[\x00-\x1f\x7f]/.test(text)) fault('a mailbox name has control characters')
  if (!text.includes('&')) return text
  let name = ''
  let at = 0
  for (;;) {
    const shift = text.indexOf('&', at)
    if (shift === -1) return name + text.slice(at)
    const end = text.indexOf('-', shift)
    if (end === -1) fault('a mailbox name is not well-formed modified UTF-7')
    name += text.slice(at, shift)
    name += end === shift + 1 ? '&' : decodeShifted(text.slice(shift + 1, end))
    at = end + 1
  }
}

function decodeShifted(run: string): string {
  const bytes = /^[A-Za-z0-9+,]+$/.test(run) ? Buffer.from(run.replaceAll(',', '/'), 'base64') : Buffer.alloc(0)
  if (bytes.length < 2 || bytes.length % 2 === 1) fault('a mailbox name is not well-formed modified UTF-7')
  const text = bytes.swap16().toString('utf16le')
  // Every name has one form only (RFC 3501 §5.1.3): printable ASCII is never shifted, lone surrogates are nothing.
  const canonical = `&${run}-` === encodeMailboxName(text) && text.isWellFormed()
  if (!canonical) fault('a mailbox name is not well-formed modified UTF-7')
  return text
}
