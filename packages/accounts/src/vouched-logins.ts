// Log-ins that somebody else vouches for: an authority's client certificate (EXTERNAL), a log-in service's token (OAuth).
// Promises: a node takes nobody's word but its own: a certificate counts at the account's home only; a token is verified there.
import { canonicalAddress } from '@skein/mail'
import { type Logger, type NodeId, type PeerLink, decodeCbor, encodeCbor } from '@skein/runtime'
import { accountLimits } from './limits.ts'
import type { LoginThrottle } from './login-throttle.ts'
import type {
  AccountStore,
  CertificateLogins,
  Directory,
  DirectoryEntry,
  LoginOutcome,
  TokenLogins,
  TokenVerifier,
} from './ports.ts'
import { type RemoteAnswer, outcomeOf } from './remote-answer.ts'
import { isTokenOf } from './sasl/oauth.ts'

export interface VouchedComponents {
  directory: Directory
  accounts: AccountStore
  link: PeerLink
  logger: Logger
  throttle: LoginThrottle
  tokenVerifier?: TokenVerifier | undefined
  /** What another node is told, its ticket with it. */
  answerFor(from: NodeId, outcome: LoginOutcome, protocol: unknown): RemoteAnswer
}

type TokenLogin = Parameters<TokenLogins['login']>[0]

const tokenBytesMax = 16 * 1024

export function createVouchedLogins(components: VouchedComponents): {
  certificates: CertificateLogins
  tokens: TokenLogins | undefined
  /** Answers another node's step; undefined where it is not about tokens. */
  answerPeer(from: NodeId, request: Record<string, unknown>): Promise<Uint8Array> | undefined
} {
  const { directory, accounts, link, logger, throttle, tokenVerifier, answerFor } = components

  async function open(entry: DirectoryEntry | undefined): Promise<LoginOutcome> {
    const account = entry && (await accounts.get(entry.accountId))
    return account?.state === 'active' ? { kind: 'ok', account } : { kind: 'refused' }
  }

  const certificates: CertificateLogins = {
    async login({ address }) {
      const entry = directory.lookup(address)
      // No node may speak for another's users: the home has not seen the certificate.
      if (entry && entry.home !== directory.self) return { kind: 'unavailable' }
      return open(entry)
    },
  }

  async function loginHere(verifier: TokenVerifier, login: TokenLogin): Promise<LoginOutcome> {
    const { token, name, remoteAddress } = login
    return throttle.run('a token', remoteAddress, async () => {
      const verdict = token.length > tokenBytesMax ? { kind: 'invalid' as const } : await verifier.verify(token)
      if (verdict.kind === 'unavailable') return { kind: 'unavailable' }
      const address = verdict.kind === 'ok' ? canonicalAddress(verdict.address) : undefined
      if (address === undefined || !isTokenOf(address, name)) return { kind: 'refused' }
      const entry = directory.lookup(address)
      return entry && entry.home !== directory.self ? loginAt(entry, login) : open(entry)
    })
  }

  async function loginAt(entry: DirectoryEntry, login: TokenLogin): Promise<LoginOutcome> {
    const { home } = entry
    try {
      const request = encodeCbor({ op: 'token', ...login, name: entry.address })
      const reply = await link.request(home, 'accounts', request, { timeoutMs: accountLimits.remoteLoginTimeoutMs })
      return outcomeOf(decodeCbor(reply) as unknown as RemoteAnswer, home, directory)
    } catch (error) {
      logger.info({ home, error: String(error) }, 'the home of an account could not be asked for a login')
      return { kind: 'unavailable' }
    }
  }

  async function answerToken(from: NodeId, request: Record<string, unknown>): Promise<Uint8Array> {
    const { name, token, remoteAddress, protocol } = request
    if (!tokenVerifier || typeof name !== 'string' || typeof token !== 'string' || typeof remoteAddress !== 'string') {
      return encodeCbor({ kind: 'unavailable' } satisfies RemoteAnswer)
    }
    const local = directory.lookup(name)?.home === directory.self
    if (!local) return encodeCbor({ kind: 'unavailable' } satisfies RemoteAnswer)
    const outcome = await loginHere(tokenVerifier, { token, name, remoteAddress, protocol: 'imap' })
    return encodeCbor(answerFor(from, outcome, protocol))
  }

  return {
    certificates,
    tokens: tokenVerifier && {
      scope: tokenVerifier.scope,
      configurationUrl: tokenVerifier.configurationUrl,
      login: (login) => loginHere(tokenVerifier, login),
    },
    answerPeer: (from, request) => (request['op'] === 'token' ? answerToken(from, request) : undefined),
  }
}
