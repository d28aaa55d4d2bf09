// Records as a zone file's lines (RFC 1035 §5.1), to be pasted where the domain is kept.
import type { DnsRecord, DnsZone } from './zone.ts'

const ttlSeconds = 3600
const textBytesMax = 255

export function formatZones(zones: readonly DnsZone[]): string {
  return zones.map(formatZone).join('\n')
}

function formatZone({ name, records, notes }: DnsZone): string {
  return [
    name === '' ? '; names in zones of others' : `; zone ${name}`,
    ...notes.map((note) => `; note: ${note}`),
    ...formatRecords(records),
    '',
  ].join('\n')
}

export function formatRecords(records: readonly DnsRecord[]): string[] {
  const width = Math.max(0, ...records.map((record) => record.name.length + 1))
  return records.map(
    (record) => `${`${record.name}.`.padEnd(width)} ${ttlSeconds} IN ${record.type.padEnd(5)} ${valueOf(record)}`,
  )
}

function valueOf({ type, value }: DnsRecord): string {
  if (type === 'TXT') return quoted(value)
  if (type === 'A' || type === 'AAAA' || type === 'TLSA' || type === 'CAA') return value
  return value.endsWith('.') ? value : `${value}.`
}

/** RFC 1035 §3.3: strings of at most 255 bytes; receivers join them (RFC 7208 §3.3). */
function quoted(text: string): string {
  const pieces: string[] = []
  for (let at = 0; at < text.length || at === 0; at += textBytesMax) pieces.push(text.slice(at, at + textBytesMax))
  return pieces.map((piece) => `"${piece.replace(/[\\"]/g, '\\$&')}"`).join(' ')
}
