// What ties a log-in to its TLS connection, so that nobody in the middle can pass it on (RFC 5056, RFC 9266, RFC 5929).
// Promises: offered on TLS 1.3 only, where the exporter is unique to the connection.
import { X509Certificate, createHash } from 'node:crypto'

/** In the order of preference. */
export const channelBindingTypes = ['tls-exporter', 'tls-server-end-point'] as const
export type ChannelBindingType = (typeof channelBindingTypes)[number]

export interface ChannelBindings {
  /** Undefined where this one can not be had. */
  data(type: string): Uint8Array | undefined
}

/** As much of a TLS connection's server side as is needed. */
export interface TlsChannel {
  getProtocol(): string | null
  exportKeyingMaterial(length: number, label: string, context: Buffer): Buffer
  /** The server's own certificate. */
  getCertificate(): object | null
}

const exporterLabel = 'EXPORTER-Channel-Binding'

export function channelBindingsOf(channel: TlsChannel): ChannelBindings | undefined {
  if (channel.getProtocol() !== 'TLSv1.3') return undefined
  return {
    data(type) {
      // RFC 9266 §2: 32 bytes, with a context of no bytes.
      if (type === 'tls-exporter') return channel.exportKeyingMaterial(32, exporterLabel, Buffer.alloc(0))
      if (type === 'tls-server-end-point') return endPointOf(channel)
      return undefined
    },
  }
}

/** RFC 5929 §4.1: the certificate's hash, by its own signature's algorithm, or SHA-256 in place of MD5 and SHA-1. */
function endPointOf(channel: TlsChannel): Uint8Array | undefined {
  const certificate = channel.getCertificate()
  const raw = certificate !== null && 'raw' in certificate ? certificate.raw : undefined
  if (!(raw instanceof Uint8Array)) return undefined
  const { signatureAlgorithm } = new X509Certificate(raw) as X509Certificate & { signatureAlgorithm?: string }
  const hash = /sha(224|256|384|512)/i.exec(signatureAlgorithm ?? '')
  if (hash) return createHash(`sha${hash[1]}`).update(raw).digest()
  return /md5|sha1/i.test(signatureAlgorithm ?? '') ? createHash('sha256').update(raw).digest() : undefined
}
