// ACME renewal information (RFC 9773): when the authority itself suggests to renew, so that it can call certificates back early.
import 'reflect-metadata'
import * as x509 from '@peculiar/x509'
import type { AcmeClient } from './acme-client.ts'

/** RFC 9773 §4.1; undefined for a certificate that does not name its issuer's key. */
export function certificateId(pem: string): string | undefined {
  const certificate = new x509.X509Certificate(pem)
  const keyId = certificate.getExtension(x509.AuthorityKeyIdentifierExtension)?.keyId
  if (keyId === undefined) return undefined
  const encoded = (hex: string) => Buffer.from(hex, 'hex').toString('base64url')
  // As DER has it: a first bit that is set would make the number a negative one.
  const serial = certificate.serialNumber.padStart(Math.ceil(certificate.serialNumber.length / 2) * 2, '0')
  return `${encoded(keyId)}.${encoded(/^[89a-f]/i.test(serial) ? `00${serial}` : serial)}`
}

/** Undefined where the authority suggests nothing. */
export async function suggestedWindow(
  client: AcmeClient,
  pem: string,
): Promise<{ startMs: number; endMs: number } | undefined> {
  const { renewalInfo } = await client.directory()
  const id = renewalInfo === undefined ? undefined : certificateId(pem)
  if (id === undefined) return undefined
  const { status, json } = await client.get(`${renewalInfo}/${id}`)
  const { suggestedWindow: window } = (json ?? {}) as { suggestedWindow?: { start?: string; end?: string } }
  const startMs = Date.parse(window?.start ?? '')
  const endMs = Date.parse(window?.end ?? '')
  return status === 200 && startMs <= endMs ? { startMs, endMs } : undefined
}
