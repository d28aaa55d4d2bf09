// Who is it? Promises: an unknown user, a wrong password and a suspended account get one answer after the same work;
// password verifiers stay at the account's home, so a login at another node is asked of the home over the mesh.
import { createHmac, timingSafeEqual } from 'node:crypto'
import { canonicalAddress } from '@skein/mail'
import {
  type Clock,
  type Logger,
  type NodeId,
  type PeerLink,
  type Random,
  clientKey,
  decodeCbor,
  encodeCbor,
  isErrorCode,
} from '@skein/runtime'
import { accountLimits } from './limits.ts'
import { LoginThrottle } from './login-throttle.ts'
import { hashPassword, verifyPassword } from './password.ts'
import { SessionTickets } from './session-tickets.ts'
import type {
  Account,
  AccountStore,
  Authenticator,
  CarriedProtocol,
  Directory,
  DirectoryEntry,
  Login,
  LoginOutcome,
} from './ports.ts'

export interface AuthenticatorComponents {
  directory: Directory
  accounts: AccountStore
  link: PeerLink
  clock: Clock
  random: Random
  logger: Logger
}

type RemoteAnswer =
  | { kind: 'ok'; id: string; address: string; displayName: string; role: Account['role']; ticket?: Uint8Array }
  | { kind: 'refused' }
  | { kind: 'unavailable' }
  | { kind: 'throttled'; retryAfterMs: number }

/** Also answers other nodes' questions about accounts that live here (PeerLink service `accounts`). */
export function createAuthenticator(components: AuthenticatorComponents): Authenticator & {
  forget(): void
  /** Whose session another node may hand over with this ticket: once, as long as the account is active. */
  redeem(from: NodeId, protocol: CarriedProtocol, ticket: Uint8Array): Promise<Account | undefined>
} {
  const { directory, accounts, link, clock, random, logger } = components
  const throttle = new LoginThrottle(clock)
  const tickets = new SessionTickets(clock, random)
  const remembered = new Map<string, { proof: Buffer; phc: string; untilMs: number }>()
  const rememberKey = random.bytes(32)
  // What an unknown user's password is compared with, so that the answer takes as long as for a known one.
  const decoy = hashPassword(Buffer.from(random.bytes(18)).toString('base64'))
  decoy.catch(() => {})

  function canonicalName(name: string): string | undefined {
    const trimmed = name.trim()
    if (trimmed.includes('@')) return canonicalAddress(trimmed)
    const domains = directory.domains()
    const only = domains.length === 1 ? domains[0] : undefined
    return only ? canonicalAddress(`${trimmed}@${only.name}`) : undefined
  }

  function proofOf(accountId: string, password: string): Buffer {
    return createHmac('sha256', rememberKey).update(`${accountId}\0${password}`).digest()
  }

  async function passwordMatches(account: Account | undefined, password: string): Promise<boolean> {
    const phc = account?.passwordHash
    if (!account || !phc) {
      await verifyPassword(await decoy, password)
      return false
    }
    const proof = proofOf(account.id, password)
    const known = remembered.get(account.id)
    if (known && known.phc === phc && known.untilMs > clock.nowMs() && timingSafeEqual(known.proof, proof)) return true
    if (!(await verifyPassword(phc, password))) return false
    remembered.delete(account.id)
    remembered.set(account.id, { proof, phc, untilMs: clock.nowMs() + accountLimits.loginRememberMs })
    if (remembered.size > accountLimits.loginRememberedMax) {
      const oldest = remembered.keys().next()
      if (!oldest.done) remembered.delete(oldest.value)
    }
    return true
  }

  async function loginHere(entry: DirectoryEntry | undefined, login: Login): Promise<LoginOutcome> {
    const account = entry ? await accounts.get(entry.accountId) : undefined
    const matches = await passwordMatches(account, login.password)
    if (!account || !matches || account.state !== 'active') return { kind: 'refused' }
    return { kind: 'ok', account }
  }

  async function loginAt(home: NodeId, entry: DirectoryEntry, login: Login): Promise<LoginOutcome> {
    let answer: RemoteAnswer
    try {
      const request = encodeCbor({ op: 'login', ...login, name: entry.address })
      const reply = await link.request(home, 'accounts', request, { timeoutMs: accountLimits.remoteLoginTimeoutMs })
      answer = decodeCbor(reply) as unknown as RemoteAnswer
    } catch (error) {
      logger.info({ home, error: String(error) }, 'the home of an account could not be asked for a login')
      return { kind: 'unavailable' }
    }
    switch (answer.kind) {
      case 'ok': {
        const { id, address, displayName, role, ticket } = answer
        const node = directory.node(home)
        const homeName = node?.hostName || node?.name || home
        const account = { id, address, displayName, role }
        return { kind: 'elsewhere', account, home, homeName, ...(ticket ? { ticket } : {}) }
      }
      case 'throttled':
        return { kind: 'throttled', retryAfterMs: answer.retryAfterMs }
      case 'unavailable':
        return { kind: 'unavailable' }
      default:
        return { kind: 'refused' }
    }
  }

  async function login(login: Login): Promise<LoginOutcome> {
    if (Buffer.byteLength(login.password) > accountLimits.passwordBytesMax) return { kind: 'refused' }
    const name = canonicalName(login.name)
    // An IPv6 client has a whole /64 to come from.
    const client = clientKey(login.remoteAddress)
    const addressKey = `address ${client}`
    const nameKey = `${name ?? login.name.slice(0, 320)} from ${client}`
    const retryAfterMs = Math.max(throttle.waitMs(addressKey), throttle.waitMs(nameKey))
    if (retryAfterMs > 0) return { kind: 'throttled', retryAfterMs }
    const entry = name === undefined ? undefined : directory.lookup(name)
    let outcome: LoginOutcome
    try {
      outcome =
        entry && entry.home !== directory.self ? await loginAt(entry.home, entry, login) : await loginHere(entry, login)
    } catch (error) {
      if (isErrorCode(error, 'too-many-logins')) return { kind: 'unavailable' }
      throw error
    }
    if (outcome.kind === 'refused') {
      // Once a name has its own delays here it says nothing new of the address: a forgotten telephone that keeps trying
      // must not, in a night, shut out an office.
      const hasOwnDelay = throttle.failed(nameKey, accountLimits.loginFailuresFree)
      if (!hasOwnDelay) throttle.failed(addressKey, accountLimits.loginFailuresPerAddressFree)
    } else if (outcome.kind === 'ok' || outcome.kind === 'elsewhere') {
      throttle.succeeded(addressKey)
      throttle.succeeded(nameKey)
    }
    return outcome
  }

  function ticketFor(from: NodeId, account: Account, protocol: unknown): { ticket?: Uint8Array } {
    if (protocol !== 'imap' && protocol !== 'pop3') return {}
    return { ticket: tickets.issue(from, account.id, protocol) }
  }

  async function redeem(from: NodeId, protocol: CarriedProtocol, ticket: Uint8Array): Promise<Account | undefined> {
    const id = tickets.redeem(from, protocol, ticket)
    const account = id === undefined ? undefined : await accounts.get(id)
    return account?.state === 'active' ? account : undefined
  }

  link.handle('accounts', async (from, payload) => {
    const request = decodeCbor(payload) as { op?: unknown } & Partial<Record<keyof Login, unknown>>
    if (request.op !== 'login' || typeof request.name !== 'string' || typeof request.password !== 'string') {
      return encodeCbor({ kind: 'refused' } satisfies RemoteAnswer)
    }
    // The asking node names its client, so that guessing through many nodes is counted as one; its own word is all we have.
    const remoteAddress = typeof request.remoteAddress === 'string' ? request.remoteAddress : `node ${from}`
    const outcome = await login({ name: request.name, password: request.password, remoteAddress, protocol: 'imap' })
    // `elsewhere` would send the asker round in circles: the map is still on its way to one of us.
    const answer: RemoteAnswer =
      outcome.kind === 'ok'
        ? {
            kind: 'ok',
            id: outcome.account.id,
            address: outcome.account.address,
            displayName: outcome.account.displayName,
            role: outcome.account.role,
            ...ticketFor(from, outcome.account, request.protocol),
          }
        : outcome.kind === 'elsewhere'
          ? { kind: 'unavailable' }
          : outcome
    return encodeCbor(answer)
  })

  return { login, redeem, forget: () => remembered.clear() }
}
