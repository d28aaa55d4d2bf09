// What is asked of TLS on one connection, and what came of it.
import type { X509Certificate } from 'node:crypto'
import type { TlsFailureType, TlsPolicyFacts } from '@skein/reports'
import type { TlsaRecord } from '@skein/runtime'
import { isFor, matchTlsa } from './tlsa.ts'

export interface PeerCertificates {
  /** As sent, the server's own first. */
  chain: readonly X509Certificate[]
  /** OpenSSL's word on the way from the chain to a trusted authority; null: there is one. */
  trustError: string | null
}

export interface TlsVerdict {
  type: TlsFailureType
  text: string
}

/** opportunistic: TLS where offered, whoever answers. encrypted: TLS, whoever answers. The others: TLS with who it should be. */
export type TlsDemand =
  | { kind: 'opportunistic' }
  | { kind: 'encrypted' }
  | { kind: 'dane'; records: readonly TlsaRecord[]; names: readonly string[] }
  | { kind: 'webpki' }

export interface TlsTerms {
  demand: TlsDemand
  /** Said as SNI; the name that the certificate is asked for, where an authority vouches for it. */
  serverName: string
  /** Looked at and reported, and mail goes out all the same (RFC 8461 §5: testing). */
  isTrial: boolean
  /** A fault that was seen before connecting: the host is none of those that the policy names. */
  knownFault: TlsVerdict | null
  /** For the report: whose policy, and what it says. */
  policyDomain: string
  facts: TlsPolicyFacts
  /** Connections under the same key may be used for each other's letters. */
  key: string
}

export function mustEncrypt({ demand, isTrial }: TlsTerms): boolean {
  return demand.kind !== 'opportunistic' && !isTrial
}

/** Null where the certificates are what the terms ask for. @param nowMs for the dates of certificates under DANE. */
export function judge(
  { demand, serverName, knownFault }: TlsTerms,
  { chain, trustError }: PeerCertificates,
  nowMs: number,
): TlsVerdict | null {
  if (knownFault) return knownFault
  if (demand.kind === 'dane') return judgeDane(demand, chain, serverName, nowMs)
  if (demand.kind !== 'webpki') return null
  if (trustError !== null) return { type: typeOf(trustError), text: trustText(serverName, trustError) }
  const [own] = chain
  // RFC 8461 §4.1: subjectAltName only.
  if (own && isFor(own, serverName, 'never')) return null
  const text = `the certificate of ${serverName} is for another name (${own?.subjectAltName ?? 'none'})`
  return { type: 'certificate-host-mismatch', text }
}

function judgeDane(
  { records, names }: { records: readonly TlsaRecord[]; names: readonly string[] },
  chain: readonly X509Certificate[],
  serverName: string,
  nowMs: number,
): TlsVerdict | null {
  const verdict = matchTlsa(records, chain, names, nowMs)
  if (verdict === 'matched') return null
  if (verdict === 'no-match') {
    return { type: 'validation-failure', text: `TLSA records of ${serverName} match none of its certificates` }
  }
  const subject = `the certificate of ${serverName}, for which its TLSA records name an authority,`
  return verdict === 'expired'
    ? { type: 'certificate-expired', text: `${subject} is out of date` }
    : { type: 'certificate-host-mismatch', text: `${subject} is for another name` }
}

function typeOf(trustError: string): TlsFailureType {
  if (trustError === 'CERT_HAS_EXPIRED' || trustError === 'CERT_NOT_YET_VALID') return 'certificate-expired'
  return 'certificate-not-trusted'
}

function trustText(serverName: string, trustError: string): string {
  if (trustError === 'CERT_HAS_EXPIRED') return `the certificate of ${serverName} has expired`
  return `the certificate of ${serverName} is not vouched for by an authority known here (${trustError})`
}
