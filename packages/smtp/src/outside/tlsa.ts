// Which TLSA records can be used, and whether one of them vouches for the certificates that a server showed
// (RFC 6698, RFC 7671, RFC 7672 §3). Pure. Promises: no record and no certificate makes it throw.
import { X509Certificate, createHash, createPublicKey } from 'node:crypto'
import type { TlsaRecord } from '@skein/runtime'

/** RFC 6698 §2.1.1: a certificate authority named by the domain, and the server's own certificate. */
const trustAnchor = 2
const endEntity = 3
const digestBytes: Readonly<Record<number, number>> = { 1: 32, 2: 64 }
/** Certificates of a server that are looked at. */
const chainMax = 10

/** RFC 7672 §3.1.3: PKIX-TA and PKIX-EE count as unusable here, as does what is of another shape. */
export function usableTlsa(records: readonly TlsaRecord[]): TlsaRecord[] {
  const usable = records.filter(({ usage, selector, matchingType, data }) => {
    if (usage !== trustAnchor && usage !== endEntity) return false
    if (selector !== 0 && selector !== 1) return false
    if (matchingType === 0) return isReadable(selector, data)
    return data.length === digestBytes[matchingType]
  })
  // RFC 7671 §9: of digests for the same thing, the strongest alone counts.
  return usable.filter(
    ({ usage, selector, matchingType }) =>
      matchingType !== 1 ||
      !usable.some((other) => other.usage === usage && other.selector === selector && other.matchingType === 2),
  )
}

export function tlsaText({ usage, selector, matchingType, data }: TlsaRecord): string {
  return `${usage} ${selector} ${matchingType} ${Buffer.from(data).toString('hex')}`
}

export type TlsaVerdict = 'matched' | 'no-match' | 'wrong-name' | 'expired'

/**
 * @param chain as the server sent it, its own certificate first.
 * @param names one of which the certificate must be for, where an authority vouches for it.
 */
export function matchTlsa(
  records: readonly TlsaRecord[],
  chain: readonly X509Certificate[],
  names: readonly string[],
  nowMs: number,
): TlsaVerdict {
  const sent = chain.slice(0, chainMax)
  const [own] = sent
  if (!own) return 'no-match'
  // RFC 7672 §3.1.1: the record binds the key; name and dates do not matter.
  if (records.some((record) => record.usage === endEntity && isOf(record, own))) return 'matched'
  let verdict: TlsaVerdict = 'no-match'
  for (const record of records) {
    if (record.usage !== trustAnchor) continue
    const path = pathTo(record, sent)
    if (!path) continue
    if (!path.every((certificate) => isInDate(certificate, nowMs))) verdict = 'expired'
    else if (!names.some((name) => isFor(own, name))) verdict = 'wrong-name'
    else return 'matched'
  }
  return verdict
}

/** RFC 7672 §3.2.3: a whole label may be a wildcard. */
export function isFor(certificate: X509Certificate, name: string, subject: 'default' | 'never' = 'default'): boolean {
  try {
    return certificate.checkHost(name, { subject, partialWildcards: false, multiLabelWildcards: false }) !== undefined
  } catch {
    return false
  }
}

function isOf({ selector, matchingType, data }: TlsaRecord, certificate: X509Certificate): boolean {
  const bytes = selector === 0 ? certificate.raw : spkiOf(certificate)
  if (!bytes) return false
  if (matchingType === 0) return bytes.equals(data)
  return createHash(matchingType === 1 ? 'sha256' : 'sha512')
    .update(bytes)
    .digest()
    .equals(data)
}

function spkiOf(certificate: X509Certificate): Buffer | null {
  try {
    return certificate.publicKey.export({ type: 'spki', format: 'der' })
  } catch {
    return null
  }
}

/** From the server's certificate by signatures to one that the record names; null where no such path was sent. */
function pathTo(record: TlsaRecord, [own, ...others]: readonly X509Certificate[]): X509Certificate[] | null {
  const path = own ? [own] : []
  const left = [...others]
  for (let last = own; last; last = path.at(-1)) {
    if (path.length > 1 && isOf(record, last)) return path
    if (isSignedByRecord(last, record)) return path
    const at = left.findIndex((issuer) => last && mayIssue(issuer, path.length - 1) && isIssuedBy(last, issuer))
    if (at < 0) return null
    path.push(...left.splice(at, 1))
  }
  return null
}

/** RFC 7672 §3.1.2: an authority that stands whole in the DNS need not be sent. */
function isSignedByRecord(certificate: X509Certificate, { selector, matchingType, data }: TlsaRecord): boolean {
  if (matchingType !== 0) return false
  try {
    if (selector === 0) return isIssuedBy(certificate, new X509Certificate(data))
    return certificate.verify(createPublicKey({ key: Buffer.from(data), format: 'der', type: 'spki' }))
  } catch {
    return false
  }
}

function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  try {
    return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey)
  } catch {
    return false
  }
}

/** RFC 5280 §4.2.1.9: an authority, and one that may stand above so many others. */
function mayIssue(certificate: X509Certificate, authoritiesBelow: number): boolean {
  if (!certificate.ca) return false
  const lengthMax = pathLength(certificate.raw)
  return lengthMax === null || authoritiesBelow <= lengthMax
}

/** `pathLenConstraint` of basicConstraints, found by its shape: OID 2.5.29.19, critical, SEQUENCE { TRUE, INTEGER }. */
function pathLength(der: Buffer): number | null {
  const at = der.indexOf(Buffer.from('0603551d13', 'hex'))
  if (at < 0) return null
  const value = /^(?:0101ff)?04..30..0101ff0201(..)/.exec(der.subarray(at + 5, at + 20).toString('hex'))
  return value ? Number.parseInt(value[1] as string, 16) : null
}

function isInDate(certificate: X509Certificate, nowMs: number): boolean {
  return certificate.validFromDate.getTime() <= nowMs && nowMs <= certificate.validToDate.getTime()
}

function isReadable(selector: number, data: Uint8Array): boolean {
  try {
    if (selector === 0) return new X509Certificate(data).raw.length > 0
    return createPublicKey({ key: Buffer.from(data), format: 'der', type: 'spki' }).type === 'public'
  } catch {
    return false
  }
}
