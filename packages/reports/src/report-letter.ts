// The letters that carry reports: RFC 9990 §3.5.2 (DMARC), RFC 8460 §5.3 (TLS). Lines end in CRLF, 7-bit.
import { encodeBase64Lines, formatDate, formatField } from '@skein/mail'

export interface ReportLetter {
  kind: 'dmarc' | 'tls'
  /** Of the domain reported on. */
  domain: string
  organisation: string
  from: string
  to: string
  reportId: string
  messageId: string
  nowMs: number
  /** Seconds since 1970 of the first and last second. */
  beginS: number
  endS: number
  /** Compressed. */
  report: Uint8Array
}

const kinds = {
  dmarc: { extension: 'xml.gz', type: 'application/gzip' },
  tls: { extension: 'json.gz', type: 'application/tlsrpt+gzip' },
} as const

export function fileNameOf(
  letter: Pick<ReportLetter, 'kind' | 'organisation' | 'domain' | 'beginS' | 'endS' | 'reportId'>,
): string {
  const unique = letter.reportId.replace(/[^A-Za-z0-9]/g, '').slice(0, 40)
  return (
    [letter.organisation, letter.domain, letter.beginS, letter.endS, unique].join('!') +
    `.${kinds[letter.kind].extension}`
  )
}

export function composeReportLetter(letter: ReportLetter): Uint8Array {
  const { kind, domain, organisation } = letter
  const { type } = kinds[kind]
  const name = fileNameOf(letter)
  const boundary = `report-${letter.reportId.replace(/[^A-Za-z0-9]/g, '')}`
  const header =
    formatField('From', `<${letter.from}>`) +
    formatField('To', `<${letter.to}>`) +
    formatField('Subject', `Report Domain: ${domain} Submitter: ${organisation} Report-ID: <${letter.reportId}>`) +
    formatField('Date', formatDate(letter.nowMs)) +
    formatField('Message-ID', `<${letter.messageId}>`) +
    formatField('Auto-Submitted', 'auto-generated') +
    (kind === 'tls'
      ? formatField('TLS-Report-Domain', domain) +
        formatField('TLS-Report-Submitter', organisation) +
        // RFC 8460 §5.3: it must arrive even where TLS with that domain is what is broken (RFC 8689 §3).
        formatField('TLS-Required', 'No')
      : '') +
    formatField('MIME-Version', '1.0') +
    formatField(
      'Content-Type',
      `${kind === 'tls' ? 'multipart/report; report-type="tlsrpt"' : 'multipart/mixed'}; boundary="${boundary}"`,
    )
  const text = `A report about ${domain}, written by ${organisation} for its owner.\r\n`
  const body = [
    `--${boundary}`,
    'Content-Type: text/plain; charset=us-ascii',
    '',
    text,
    `--${boundary}`,
    `Content-Type: ${type}; name="${name}"`,
    `Content-Disposition: attachment; filename="${name}"`,
    'Content-Transfer-Encoding: base64',
    '',
    encodeBase64Lines(letter.report).trimEnd(),
    `--${boundary}--`,
    '',
  ]
  return Buffer.from(`${header}\r\n${body.join('\r\n')}`)
}
