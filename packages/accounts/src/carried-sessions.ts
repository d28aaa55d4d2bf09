// A session of somebody who logged in at a node that is not their home: that node hands it over, the home serves it, its bytes
// go over a stream of the mesh. Promises: no session begins without a ticket that this home gave to that very node.
import { type Logger, type NodeId, type PeerStream, type PeerStreams, SkeinError } from '@skein/runtime'
import { decodeCbor, encodeCbor } from '@skein/runtime'
import { accountLimits } from './limits.ts'
import type { Account, CarriedProtocol, CarriedSession, SessionCarrier } from './ports.ts'

/** Version 1 of the stream's header; other fields are ignored. */
interface Header {
  v: number
  protocol: string
  ticket: Uint8Array
  remoteAddress: string
  secure: boolean
  tls: string
  opening: string
}

/** The node that the client reached. */
export function createSessionCarrier({ streams }: { streams: PeerStreams }): SessionCarrier {
  return {
    async carry(outcome, session) {
      const { ticket, home } = outcome
      if (!ticket) throw new SkeinError('session-not-carried', 'temporary', 'the home gave no ticket for this session')
      const header: Header = { v: 1, ticket, ...session }
      return streams.openStream(home, 'proxy', encodeCbor(header), { timeoutMs: accountLimits.sessionOpenTimeoutMs })
    },
  }
}

/** Takes one session of the account, or throws why it can't. What it returns is called with the stream, which may be gone by then. */
export type CarriedSessionTaker = (session: CarriedSession, account: Account) => Promise<(stream: PeerStream) => void>

export interface CarriedSessionHost {
  streams: PeerStreams
  /** As the authenticator does. */
  redeem(from: NodeId, protocol: CarriedProtocol, ticket: Uint8Array): Promise<Account | undefined>
  logger: Logger
}

/** The home. */
export function serveCarriedSessions(
  { streams, redeem, logger }: CarriedSessionHost,
  takers: Readonly<Record<CarriedProtocol, CarriedSessionTaker>>,
): void {
  streams.handleStream('proxy', async (from, bytes) => {
    const { ticket, session } = readHeader(bytes)
    const account = await redeem(from, session.protocol, ticket)
    if (!account) {
      logger.warn({ from, protocol: session.protocol }, 'a node handed over a session without a good ticket')
      throw new SkeinError('ticket-refused', 'refused', 'the ticket of this session is not good, or not any more')
    }
    const take = await takers[session.protocol](session, account)
    const { protocol, remoteAddress, secure, tls } = session
    logger.info(
      { from, protocol, account: account.address, remoteAddress, secure, tls },
      'a session came from another node',
    )
    return take
  })
}

/** @throws SkeinError `bad-session-header`, `malformed-cbor` */
function readHeader(bytes: Uint8Array): { ticket: Uint8Array; session: CarriedSession } {
  const fields = decodeCbor(bytes) as Partial<Record<keyof Header, unknown>> | null
  const { v, protocol, ticket, remoteAddress, secure, tls, opening } = fields ?? {}
  const isWhole =
    v === 1 &&
    (protocol === 'imap' || protocol === 'pop3') &&
    ticket instanceof Uint8Array &&
    typeof remoteAddress === 'string' &&
    typeof secure === 'boolean' &&
    typeof tls === 'string' &&
    typeof opening === 'string'
  if (!isWhole)
    throw new SkeinError('bad-session-header', 'refused', 'the session of another node can not be understood')
  return { ticket, session: { protocol, remoteAddress, secure, tls, opening } }
}
