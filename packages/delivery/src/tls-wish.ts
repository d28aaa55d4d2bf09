// `TLS-Required: No` (RFC 8689 §3): a letter that its sender would rather see in clear text than not at all, a report on broken TLS
// for one. REQUIRETLS is stronger; anything but one such field with that word means nothing.
import { parseHeaderFields, fieldValue } from '@skein/mail'
import type { QueueItem } from './ports.ts'

export function withTlsWish(item: QueueItem, header: readonly Uint8Array[]): QueueItem {
  if (item.options?.requireTls) return item
  const bytes = header.length === 1 ? (header[0] as Uint8Array) : Buffer.concat(header)
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  // Hardly any letter has it, so the header is not parsed for the others.
  if (!/^tls-required[ \t]*:/im.test(text.toString('latin1'))) return item
  const fields = parseHeaderFields(text).filter(({ lower }) => lower === 'tls-required')
  const [only] = fields
  if (!only || fields.length > 1 || fieldValue(text, only).trim().toLowerCase() !== 'no') return item
  return { ...item, options: { ...item.options, tlsOptional: true } }
}
