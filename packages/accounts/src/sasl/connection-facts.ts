// What SASL may know of a front door's connection, taken from whatever stream lies uppermost.
import type { X509Certificate } from 'node:crypto'
import type { Login } from '../ports.ts'
import { type TlsChannel, channelBindingsOf } from './channel-binding.ts'
import { certificateAddresses } from './client-certificate.ts'
import type { SaslFacts } from './exchange.ts'

export interface ConnectionFacts {
  remoteAddress: string
  protocol: Login['protocol']
  /** The connection's stream; TLS where it can export keying material. */
  stream: object
  /** Whose client certificates are taken; none where nothing was configured. */
  authorities: readonly X509Certificate[]
  nowMs: number
}

type Tls = TlsChannel & { getPeerX509Certificate(): X509Certificate | undefined }

export function saslFactsOf({ remoteAddress, protocol, stream, authorities, nowMs }: ConnectionFacts): SaslFacts {
  if (!('exportKeyingMaterial' in stream)) return { remoteAddress, protocol }
  const tls = stream as Tls
  const facts = { remoteAddress, protocol, channelBindings: channelBindingsOf(tls) }
  if (authorities.length === 0) return facts
  return { ...facts, certificateAddresses: certificateAddresses(tls.getPeerX509Certificate(), authorities, nowMs) }
}
