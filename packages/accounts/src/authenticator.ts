// Who is it? Promises: an unknown user, a wrong password and a suspended account get one answer after the same work;
// password verifiers stay at the account's home, so a login at another node is asked of the home over the mesh.
import { createHmac, createSecretKey, timingSafeEqual } from 'node:crypto'
import { canonicalAddress } from '@skein/mail'
import {
  type Clock,
  type Logger,
  type NodeId,
  type PeerLink,
  type Random,
  decodeCbor,
  encodeCbor,
  isErrorCode,
} from '@skein/runtime'
import { accountLimits } from './limits.ts'
import { Entrances } from './entrances.ts'
import { LoginThrottle } from './login-throttle.ts'
import { hashPassword, verifyPassword } from './password.ts'
import { SessionTickets } from './session-tickets.ts'
import type {
  Account,
  AccountId,
  AccountStore,
  Authenticator,
  CarriedProtocol,
  Directory,
  DirectoryEntry,
  Login,
  LoginOutcome,
  ScramLogins,
  SharedLoginFailures,
  TokenVerifier,
} from './ports.ts'
import { type RemoteAnswer, answerOf, outcomeOf } from './remote-answer.ts'
import { createScramLogins } from './scram-logins.ts'
import { ScramUpgrades } from './scram-upgrades.ts'
import { createVouchedLogins } from './vouched-logins.ts'

export interface AuthenticatorComponents {
  directory: Directory
  accounts: AccountStore
  link: PeerLink
  clock: Clock
  random: Random
  logger: Logger
  /** The same after each start: challenges for unknown users are made from it. Default: by chance. */
  decoySecret?: Uint8Array
  /** Absent: tokens (OAUTHBEARER, XOAUTH2) are not taken. */
  tokenVerifier?: TokenVerifier | undefined
  /** Absent: each node counts failed log-ins by itself. */
  sharedFailures?: SharedLoginFailures | undefined
}

export interface AuthenticatorSettings {
  /** Client certificates are verified by the front doors and may log in (EXTERNAL). */
  takesCertificates?: boolean
}

export interface NodeAuthenticator extends Authenticator {
  readonly scram: ScramLogins
  /** Passwords that were found right are hashed again. */
  forget(): void
  /** Whose session another node may hand over with this ticket: once, as long as the account is active. */
  redeem(from: NodeId, protocol: CarriedProtocol, ticket: Uint8Array): Promise<Account | undefined>
  /**
   * Has the account logged in at `node` within the last days: asked of its home.
   * @throws SkeinError `peer-unreachable` (temporary)
   */
  enteredAt(account: { id: AccountId; home: NodeId }, node: NodeId): Promise<boolean>
  /** Resolves when everything that log-ins left to be written is written. */
  idle(): Promise<void>
}

/** Also answers other nodes' questions about accounts that live here (PeerLink service `accounts`). */
export function createAuthenticator(
  components: AuthenticatorComponents,
  settings: AuthenticatorSettings = {},
): NodeAuthenticator {
  const { directory, accounts, link, clock, random, logger } = components
  const throttle = new LoginThrottle(clock, components.sharedFailures)
  const tickets = new SessionTickets(clock, random)
  const upgrades = new ScramUpgrades(components)
  const entrances = new Entrances(components)
  const remembered = new Map<string, { proof: Buffer; phc: string; untilMs: number }>()
  // Made into a key once: HMAC would do it at every log-in.
  const rememberKey = createSecretKey(random.bytes(32))
  // What an unknown user's password is compared with, so that the answer takes as long as for a known one.
  const decoy = hashPassword(Buffer.from(random.bytes(18)).toString('base64'))
  decoy.catch(() => {})
  const decoySecret = components.decoySecret ?? random.bytes(32)
  const scram = createScramLogins({ ...components, throttle, decoySecret, canonicalName, answerFor })
  const vouched = createVouchedLogins({ ...components, throttle, answerFor })

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
    upgrades.note(account, password)
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
    return outcomeOf(answer, home, directory)
  }

  async function login(login: Login): Promise<LoginOutcome> {
    if (Buffer.byteLength(login.password) > accountLimits.passwordBytesMax) return { kind: 'refused' }
    const name = canonicalName(login.name)
    const entry = name === undefined ? undefined : directory.lookup(name)
    const attempt = () =>
      entry && entry.home !== directory.self ? loginAt(entry.home, entry, login) : loginHere(entry, login)
    try {
      return await throttle.run(name ?? login.name.slice(0, 320), login.remoteAddress, attempt)
    } catch (error) {
      if (isErrorCode(error, 'too-many-logins')) return { kind: 'unavailable' }
      throw error
    }
  }

  function answerFor(from: NodeId, outcome: LoginOutcome, protocol: unknown): RemoteAnswer {
    if (outcome.kind === 'ok') entrances.note(outcome.account, from)
    return answerOf(outcome, ({ id }) =>
      protocol === 'imap' || protocol === 'pop3' ? { ticket: tickets.issue(from, id, protocol) } : {},
    )
  }

  async function redeem(from: NodeId, protocol: CarriedProtocol, ticket: Uint8Array): Promise<Account | undefined> {
    const id = tickets.redeem(from, protocol, ticket)
    const account = id === undefined ? undefined : await accounts.get(id)
    return account?.state === 'active' ? account : undefined
  }

  link.handle('accounts', async (from, payload) => {
    const request = decodeCbor(payload) as Record<string, unknown>
    const answered = scram.answerPeer(from, request) ?? vouched.answerPeer(from, request)
    if (answered) return answered
    const { op, id, node } = request
    if (op === 'entered' && typeof id === 'string' && typeof node === 'string') {
      return encodeCbor({ entered: await entrances.has(id, node) })
    }
    if (request['op'] !== 'login' || typeof request['name'] !== 'string' || typeof request['password'] !== 'string') {
      return encodeCbor({ kind: 'refused' } satisfies RemoteAnswer)
    }
    // The asking node names its client, so that guessing through many nodes is counted as one; its own word is all we have.
    const remoteAddress = typeof request['remoteAddress'] === 'string' ? request['remoteAddress'] : `node ${from}`
    const outcome = await login({
      name: request['name'],
      password: request['password'],
      remoteAddress,
      protocol: 'imap',
    })
    return encodeCbor(answerFor(from, outcome, request['protocol']))
  })

  return {
    login,
    redeem,
    scram,
    ...(settings.takesCertificates ? { certificates: vouched.certificates } : {}),
    ...(vouched.tokens ? { tokens: vouched.tokens } : {}),
    forget: () => remembered.clear(),
    async enteredAt({ id, home }, node) {
      if (home === link.self) return entrances.has(id, node)
      const reply = decodeCbor(await link.request(home, 'accounts', encodeCbor({ op: 'entered', id, node })))
      return (reply as { entered?: unknown } | null)?.entered === true
    },
    idle: async () => {
      await Promise.all([upgrades.idle(), entrances.idle()])
    },
  }
}
