// SCRAM at the account's home (RFC 5802 §3), and the way there from another node: the exchange is relayed step by step.
// Promises: verifiers never leave home; an unknown user gets the same challenge each time; what peers begin is bounded.
import {
  type Clock,
  type Logger,
  type NodeId,
  type PeerLink,
  type Random,
  decodeCbor,
  encodeCbor,
} from '@skein/runtime'
import { accountLimits } from './limits.ts'
import type { LoginThrottle } from './login-throttle.ts'
import type {
  AccountStore,
  Directory,
  DirectoryEntry,
  LoginOutcome,
  ScramChallenge,
  ScramLogins,
  ScramRequest,
} from './ports.ts'
import { type RemoteAnswer, outcomeOf } from './remote-answer.ts'
import { hmac, proofIsRight, scramVerifierOf, sha256 } from './sasl/scram-verifier.ts'

export interface ScramComponents {
  directory: Directory
  accounts: AccountStore
  link: PeerLink
  clock: Clock
  random: Random
  logger: Logger
  throttle: LoginThrottle
  /** Makes the salts of users that do not exist. */
  decoySecret: Uint8Array
  canonicalName(name: string): string | undefined
  /** What another node is told, its ticket with it. */
  answerFor(from: NodeId, outcome: LoginOutcome, protocol: unknown): RemoteAnswer
}

type Begun = Awaited<ReturnType<ScramLogins['begin']>>
type Finished = Awaited<ReturnType<ScramChallenge['finish']>>

type RemoteBegun =
  | { kind: 'challenge'; id: string; serverFirst: string }
  | { kind: 'unavailable' }
  | { kind: 'throttled'; retryAfterMs: number }

const nothing = new Uint8Array(0)
const noAccount = '0'.repeat(32)

export function createScramLogins(components: ScramComponents): ScramLogins & {
  /** Answers another node's step; undefined where it is not about SCRAM. */
  answerPeer(from: NodeId, request: Record<string, unknown>): Promise<Uint8Array> | undefined
} {
  const { directory, accounts, link, random, logger, throttle, decoySecret, canonicalName, answerFor } = components
  const relayed = new RelayedExchanges(components)
  const decoyKey = sha256(hmac(decoySecret, 'stored key'))

  async function begin(request: ScramRequest): Promise<Begun> {
    const name = canonicalName(request.name)
    const throttleName = name ?? request.name.slice(0, 320)
    const obstacle = throttle.obstacle(throttleName, request.remoteAddress)
    if (obstacle) return obstacle
    const entry = name === undefined ? undefined : directory.lookup(name)
    return entry && entry.home !== directory.self
      ? beginAt(entry.home, entry, request)
      : beginHere(entry, throttleName, request)
  }

  async function beginHere(
    entry: DirectoryEntry | undefined,
    name: string,
    { clientFirstBare, clientNonce, remoteAddress }: ScramRequest,
  ): Promise<Begun> {
    const accountId = entry?.accountId ?? noAccount
    const account = await accounts.get(accountId)
    const verifier = account && scramVerifierOf(account)
    const salt = verifier?.salt ?? hmac(decoySecret, name).subarray(0, 16).toString('base64')
    const nonce = clientNonce + Buffer.from(random.bytes(18)).toString('base64')
    const serverFirst = `r=${nonce},s=${salt},i=${verifier?.iterations ?? accountLimits.scramIterations}`

    async function check(clientFinal: string, proof: Uint8Array): Promise<Finished> {
      const now = await accounts.get(accountId)
      const current = now && scramVerifierOf(now)
      const storedKey = current ? Buffer.from(current.storedKey, 'base64') : decoyKey
      const message = `${clientFirstBare},${serverFirst},${clientFinal}`
      const isRight = proofIsRight(storedKey, message, proof)
      const isThisExchange = clientFinal.includes(`,r=${nonce}`) && current?.salt === salt
      if (!now || !current || !isRight || !isThisExchange || now.state !== 'active') return refused
      const serverSignature = hmac(Buffer.from(current.serverKey, 'base64'), message)
      return { outcome: { kind: 'ok', account: now }, serverSignature }
    }
    return challenge(serverFirst, name, remoteAddress, check)
  }

  /** Throttled as a password is: here, before anything is looked at. */
  function challenge(
    serverFirst: string,
    name: string,
    remoteAddress: string,
    check: (clientFinal: string, proof: Uint8Array) => Promise<Finished>,
  ): ScramChallenge {
    return {
      kind: 'challenge',
      serverFirst,
      async finish(clientFinal, proof) {
        let serverSignature: Uint8Array = nothing
        const outcome = await throttle.run(name, remoteAddress, async () => {
          const finished = await check(clientFinal, proof)
          serverSignature = finished.serverSignature
          return finished.outcome
        })
        return { outcome, serverSignature }
      },
      abandon() {},
    }
  }

  async function ask(home: NodeId, request: object): Promise<unknown> {
    const options = { timeoutMs: accountLimits.remoteLoginTimeoutMs }
    try {
      return decodeCbor(await link.request(home, 'accounts', encodeCbor(request), options))
    } catch (error) {
      logger.info({ home, error: String(error) }, 'the home of an account could not be asked for a login')
      return { kind: 'unavailable' }
    }
  }

  async function beginAt(home: NodeId, entry: DirectoryEntry, request: ScramRequest): Promise<Begun> {
    const begun = (await ask(home, { op: 'scram-begin', ...request, name: entry.address })) as RemoteBegun
    if (begun.kind === 'throttled') return { kind: 'throttled', retryAfterMs: begun.retryAfterMs }
    if (begun.kind !== 'challenge') return { kind: 'unavailable' }
    return challenge(begun.serverFirst, entry.address, request.remoteAddress, async (clientFinal, proof) => {
      const answer = (await ask(home, { op: 'scram-finish', id: begun.id, clientFinal, proof })) as RemoteAnswer & {
        serverSignature?: Uint8Array
      }
      return { outcome: outcomeOf(answer, home, directory), serverSignature: answer.serverSignature ?? nothing }
    })
  }

  async function beginForPeer(from: NodeId, request: Record<string, unknown>): Promise<RemoteBegun> {
    const { name, clientFirstBare, clientNonce, remoteAddress } = request
    if (typeof name !== 'string' || typeof clientFirstBare !== 'string' || typeof clientNonce !== 'string') {
      return { kind: 'unavailable' }
    }
    const entry = directory.lookup(name)
    // The map is still on its way to one of us.
    if (entry && entry.home !== directory.self) return { kind: 'unavailable' }
    const client = typeof remoteAddress === 'string' ? remoteAddress : `node ${from}`
    const begun = await begin({ name, clientFirstBare, clientNonce, remoteAddress: client, protocol: 'imap' })
    if (begun.kind !== 'challenge') return begun
    const id = relayed.keep(from, begun, request['protocol'])
    return id === undefined ? { kind: 'unavailable' } : { kind: 'challenge', id, serverFirst: begun.serverFirst }
  }

  async function finishForPeer(from: NodeId, { id, clientFinal, proof }: Record<string, unknown>): Promise<object> {
    const kept = typeof id === 'string' ? relayed.take(from, id) : undefined
    if (!kept || typeof clientFinal !== 'string' || !(proof instanceof Uint8Array)) return { kind: 'unavailable' }
    const { outcome, serverSignature } = await kept.begun.finish(clientFinal, proof)
    return { ...answerFor(from, outcome, kept.protocol), serverSignature }
  }

  return {
    begin,
    answerPeer(from, request) {
      if (request['op'] === 'scram-begin') return beginForPeer(from, request).then(encodeCbor)
      if (request['op'] === 'scram-finish') return finishForPeer(from, request).then(encodeCbor)
      return undefined
    },
  }
}

const refused: { outcome: LoginOutcome; serverSignature: Uint8Array } = {
  outcome: { kind: 'refused' },
  serverSignature: nothing,
}

interface RelayedExchange {
  begun: ScramChallenge
  protocol: unknown
  untilMs: number
}

/** Exchanges that other nodes have begun, each for its own: taken once, forgotten after a while. */
class RelayedExchanges {
  readonly #clock: Clock
  readonly #random: Random
  readonly #byPeer = new Map<NodeId, Map<string, RelayedExchange>>()

  constructor({ clock, random }: { clock: Clock; random: Random }) {
    this.#clock = clock
    this.#random = random
  }

  /** Undefined where the peer has too many. */
  keep(peer: NodeId, begun: ScramChallenge, protocol: unknown): string | undefined {
    const now = this.#clock.monotonicMs()
    const own = this.#byPeer.get(peer) ?? new Map<string, RelayedExchange>()
    this.#byPeer.set(peer, own)
    for (const [id, { untilMs }] of own) {
      if (untilMs > now) break
      own.delete(id)
    }
    if (own.size >= accountLimits.scramRelayedPerPeerMax) return undefined
    const id = Buffer.from(this.#random.bytes(16)).toString('hex')
    own.set(id, { begun, protocol, untilMs: now + accountLimits.scramExchangeTimeoutMs })
    return id
  }

  take(peer: NodeId, id: string): RelayedExchange | undefined {
    const own = this.#byPeer.get(peer)
    const entry = own?.get(id)
    if (!own || !entry) return undefined
    own.delete(id)
    if (own.size === 0) this.#byPeer.delete(peer)
    return entry.untilMs > this.#clock.monotonicMs() ? entry : undefined
  }
}
