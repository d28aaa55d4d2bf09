// What every session of one POP3 server shares.
import type { Authenticator, SessionCarrier } from '@skein/accounts'
import type { Mailboxes } from '@skein/mailboxes'
import type { Clock, Logger, Random, TlsMaterial } from '@skein/runtime'
import type { X509Certificate } from 'node:crypto'
import type { SecureContext } from 'node:tls'
import type { Pop3Limits } from './limits.ts'
import type { MaildropLocks } from './maildrop.ts'

export interface Pop3Components {
  mailboxes: Mailboxes
  authenticator: Authenticator
  /** Without it, people log in at their home only. */
  carrier?: SessionCarrier
  clock: Clock
  random: Random
  logger: Logger
  tls: TlsMaterial
}

export interface Security {
  context: SecureContext
  /** Whose certificates clients may show. */
  clientAuthorities: readonly X509Certificate[]
}

export interface Pop3House extends Pop3Components {
  hostName: string
  expireDays: number | undefined
  asciiHeaders: boolean
  limits: Pop3Limits
  maildrops: MaildropLocks
  security(): Security
}
