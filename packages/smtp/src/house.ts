// What every session of one SMTP server shares.
import type { X509Certificate } from 'node:crypto'
import type { Authenticator } from '@skein/accounts'
import type { Intake } from '@skein/delivery'
import type { Doorkeeper } from '@skein/filtering'
import type { Clock, ConnectionCounter, Logger, Random, TlsMaterial } from '@skein/runtime'
import type { SmtpLimits } from './limits.ts'

export interface SmtpComponents {
  intake: Intake
  authenticator: Authenticator
  clock: Clock
  random: Random
  logger: Logger
  tls: TlsMaterial
  /** Absent: everybody may come in as often as the limits allow. */
  doorkeeper?: Doorkeeper | undefined
}

export interface SmtpHouse extends SmtpComponents {
  hostName: string
  limits: SmtpLimits
  bareLineEnds: 'refuse' | 'normalise'
  isTrusted: (address: string) => boolean
  channelBinding: boolean
  /** Keywords of RFC 3865 that this node's people do not want to be offered. */
  solicitationsRefused: readonly string[]
  /** Whose word counts for who their client is: by XCLIENT, by XFORWARD, by a PROXY header. */
  mayXclient: (address: string) => boolean
  mayXforward: (address: string) => boolean
  sendsProxyHeader: (address: string) => boolean
  counter: ConnectionCounter
  /** Whose certificates clients may show. */
  clientAuthorities(): readonly X509Certificate[]
}

/** mx: mail for the mesh's own domains from anybody. submission (STARTTLS), submissions (TLS): people's programs, after AUTH. */
export type SmtpRole = 'mx' | 'submission' | 'submissions' | 'lmtp'
