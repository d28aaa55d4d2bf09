// HTTP-01 (RFC 8555 §8.3) where a name leads to any node: whoever orders hands the challenge to all peers first, and each answers it.
// A node answers for another only under names that all nodes share, or that other's own host name: a stolen node gets no more.
import { type HttpApp, type HttpRoute, sharedLabels, textResponse } from '@skein/admin'
import type { Directory } from '@skein/accounts'
import {
  type Clock,
  type Logger,
  type NodeId,
  type PeerLink,
  SkeinError,
  decodeCbor,
  encodeCbor,
  sleep,
} from '@skein/runtime'
import { acmeLimits } from './limits.ts'
import type { Challenge, Prover } from './order.ts'

export interface HttpChallengeComponents {
  directory: Directory
  link: PeerLink
  clock: Clock
  logger: Logger
}

export interface HttpChallenges {
  prover: Prover
  route: HttpRoute
}

interface Shelved extends Challenge {
  from: NodeId
  untilMs: number
}

const prefix = '/.well-known/acme-challenge/'

export function createHttpChallenges({ directory, link, clock, logger }: HttpChallengeComponents): HttpChallenges {
  const shelf = new Map<string, Shelved>()

  function put(from: NodeId, challenge: Challenge): void {
    for (const [token, { untilMs }] of shelf) if (untilMs <= clock.monotonicMs()) shelf.delete(token)
    const count = [...shelf.values()].filter((one) => one.from === from).length
    const held = shelf.get(challenge.token)
    if (count >= acmeLimits.challengesPerPeerMax || (held !== undefined && held.from !== from)) {
      throw new SkeinError('challenge-refused', 'refused', 'no more challenges of that node are answered here')
    }
    shelf.set(challenge.token, { ...challenge, from, untilMs: clock.monotonicMs() + acmeLimits.challengeKeepMs })
  }

  function take(from: NodeId, token: string): void {
    if (shelf.get(token)?.from === from) shelf.delete(token)
  }

  link.handle('acme', async (from, payload) => {
    const message = readMessage(payload)
    if (message.keyAuthorization === undefined) take(from, message.token)
    else if (mayProve(from, message.name, directory))
      put(from, { ...message, keyAuthorization: message.keyAuthorization })
    else throw new SkeinError('challenge-refused', 'refused', `${message.name} is no name of that node, nor of all`)
    return new Uint8Array()
  })

  let awaitedMs = Number.NEGATIVE_INFINITY

  /** A node that has just started knows nobody yet: the authority may ask those who will be there in a second. */
  async function awaitPeers(): Promise<void> {
    const startedMs = clock.monotonicMs()
    if (startedMs - awaitedMs < acmeLimits.challengeKeepMs) return
    const lacking = () => {
      const up = new Set([link.self, ...link.connected()])
      return directory.nodes().some(({ id }) => !up.has(id))
    }
    while (lacking() && clock.monotonicMs() - startedMs < acmeLimits.challengePeersWaitMs) await sleep(clock, 100)
    awaitedMs = clock.monotonicMs()
  }

  async function tellPeers(message: { name: string; token: string; keyAuthorization?: string }): Promise<void> {
    const payload = encodeCbor(message)
    await Promise.all(
      link.connected().map(async (peer) => {
        try {
          await link.request(peer, 'acme', payload, { timeoutMs: acmeLimits.challengePeerTimeoutMs })
        } catch (error) {
          logger.warn({ peer, name: message.name, error: String(error) }, 'a peer will not answer for this challenge')
        }
      }),
    )
  }

  const app: HttpApp = (request) => {
    const { hostname, pathname } = new URL(request.url)
    const found = shelf.get(pathname.slice(prefix.length))
    const isHere = found !== undefined && found.untilMs > clock.monotonicMs() && found.name === hostname.toLowerCase()
    if (!isHere) return textResponse(404, 'no such challenge')
    return new Response(found.keyAuthorization, { headers: { 'content-type': 'application/octet-stream' } })
  }

  return {
    route: { path: `${prefix}*`, methods: ['GET'], app },
    prover: {
      type: 'http-01',
      async present(challenge) {
        const { name, token, keyAuthorization } = challenge
        put(link.self, challenge)
        await awaitPeers()
        await tellPeers({ name, token, keyAuthorization })
        return async () => {
          take(link.self, token)
          await tellPeers({ name, token })
        }
      },
    },
  }
}

function mayProve(from: NodeId, name: string, directory: Directory): boolean {
  if (directory.node(from)?.hostName === name) return true
  if (directory.nodes().some(({ hostName }) => hostName === name)) return false
  const dot = name.indexOf('.')
  return (
    sharedLabels.some((label) => label === name.slice(0, dot)) && directory.domain(name.slice(dot + 1)) !== undefined
  )
}

function readMessage(payload: Uint8Array): { name: string; token: string; keyAuthorization: string | undefined } {
  const { name, token, keyAuthorization } = (decodeCbor(payload) ?? {}) as Record<string, unknown>
  // RFC 8555 §8.1 and §8.3: base64url; the key authorization begins with the token.
  const isToken = typeof token === 'string' && /^[\w-]{1,256}$/.test(token)
  const isProof =
    keyAuthorization === undefined ||
    (typeof keyAuthorization === 'string' && isToken && new RegExp(`^${token}\\.[\\w-]{43}$`).test(keyAuthorization))
  if (typeof name !== 'string' || name.length > 253 || !isToken || !isProof) {
    throw new SkeinError('bad-parameters', 'refused', 'that is no challenge')
  }
  return { name, token, keyAuthorization }
}
