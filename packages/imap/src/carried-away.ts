// A login at a node that is not the account's home: the client's connection is joined to a stream that the home serves. From
// then on this node reads no command of it; TLS stays here, and the home writes the answer to the login itself.
import type { Duplex } from 'node:stream'
import type { LoginOutcome } from '@skein/accounts'
import { SkeinError, splice } from '@skein/runtime'
import type { Clock, PeerStream, Splice } from '@skein/runtime'
import type { ImapServices } from './commands/command.ts'
import { no } from './replies.ts'
import type { Reply } from './replies.ts'
import { AnswerWatch } from './wire/answer-watch.ts'

export type Elsewhere = Extract<LoginOutcome, { kind: 'elsewhere' }>

export interface CarriedClient {
  readonly services: ImapServices
  readonly remoteAddress: string
  readonly secure: boolean
  /** Of the login. */
  readonly tag: string
}

/** The way to the home, or what the client is told instead. */
export async function wayHome(client: CarriedClient, outcome: Elsewhere, stream: Duplex): Promise<PeerStream | Reply> {
  const { carrier, logger } = client.services
  const { remoteAddress, secure, tag } = client
  const code = referral(outcome)
  if (carrier === undefined) return no(`This mailbox lives on ${outcome.homeName}; log in there`, code)
  try {
    const session = { protocol: 'imap', remoteAddress, secure, tls: tlsOf(stream), opening: tag } as const
    return await carrier.carry(outcome, session)
  } catch (error) {
    const known = error instanceof SkeinError
    logger[known ? 'info' : 'error'](
      { error, home: outcome.home, remoteAddress },
      'a session could not be carried home',
    )
    if (known && error.code === 'too-many-connections') return no(error.message, 'LIMIT')
    return no(`This mailbox lives on ${outcome.homeName}, which cannot be reached from here now`, code)
  }
}

/** Where the client may go itself (RFC 2221 §4.1); any mechanism will do there. */
export function referral({ account, homeName }: Pick<Elsewhere, 'account' | 'homeName'>): string {
  return `REFERRAL imap://${encodeURIComponent(account.address)};AUTH=*@${encodeURIComponent(homeName)}/`
}

/** @param first what the client has sent after its login already */
export function carryAway(client: Duplex, home: PeerStream, first: readonly Buffer[], clock: Clock): Splice {
  const lostText = '* BYE [UNAVAILABLE] The node of this mailbox went away; please connect again\r\n'
  return splice(client, home, { clock, first, lostText, watch: new AnswerWatch() })
}

/** Version and cipher, for the log of the home. */
function tlsOf(stream: Duplex): string {
  const tls = stream as { getProtocol?: () => string | null; getCipher?: () => { name?: string } | undefined }
  return [tls.getProtocol?.(), tls.getCipher?.()?.name].filter(Boolean).join(' ')
}
