// The wire of ACME (RFC 8555 §6 and §7.1-7.3): signed requests, nonces, problems, one account. What an order is stands in order.ts.
// Promises: every request ends in time; what the authority refuses comes back as an AcmeProblem with its own words.
import { type KeyObject, createHash, createHmac, createPrivateKey, createPublicKey, sign } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { request } from 'node:https'
import type { Clock } from '@skein/runtime'
import { skeinVersion } from '../version.ts'
import { acmeLimits } from './limits.ts'

export interface AcmeDirectory {
  newNonce: string
  newAccount: string
  newOrder: string
  renewalInfo?: string
  meta?: { termsOfService?: string; caaIdentities?: string[]; externalAccountRequired?: boolean }
}

export interface AcmeAnswer {
  status: number
  headers: IncomingHttpHeaders
  text: string
  /** Undefined for what is no JSON. */
  json: unknown
  /** RFC 8555 §7.5.1 and §6.6. */
  retryAfterMs: number | undefined
}

interface ProblemDocument {
  type?: string
  detail?: string
  identifier?: { value?: string }
  subproblems?: ProblemDocument[]
}

/** What the authority said no with (RFC 7807, RFC 8555 §6.7). */
export class AcmeProblem extends Error {
  override readonly name = 'AcmeProblem'
  /** Without its URN: `rateLimited`, `unauthorized`, … */
  readonly type: string
  readonly retryAfterMs: number | undefined
  /** Names that it concerns, where they were told. */
  readonly names: { name: string; why: string }[]

  constructor(document: ProblemDocument, status: number, retryAfterMs?: number) {
    const type = (document.type ?? '').replace('urn:ietf:params:acme:error:', '')
    super(`${document.detail ?? `HTTP ${status}`}${type === '' ? '' : ` (${type})`}`)
    this.type = type
    this.retryAfterMs = retryAfterMs
    this.names = (document.subproblems ?? []).flatMap(({ identifier, detail }) =>
      identifier?.value === undefined ? [] : [{ name: identifier.value, why: detail ?? '' }],
    )
  }
}

export interface AcmeClientSettings {
  directoryUrl: string
  /** PEM, ECDSA P-256. */
  accountKey: string
  /** As `signIn` gave it before. */
  accountUrl?: string | undefined
  /** PEM certificates of whoever vouches for the directory's own; undefined: the usual ones. */
  authorities?: string | undefined
  signal?: AbortSignal
}

export interface SignIn {
  email: string
  /** RFC 8555 §7.3.4: known to the authority from elsewhere. */
  external?: { keyId: string; hmacKey: Uint8Array } | undefined
}

export interface AcmeClient {
  directory(): Promise<AcmeDirectory>
  /** Makes the account, or finds it. @returns its URL */
  signIn(terms: SignIn): Promise<string>
  /** @param payload null: POST-as-GET. @throws AcmeProblem */
  post(url: string, payload: object | null): Promise<AcmeAnswer>
  /** In clear, without an account. */
  get(url: string): Promise<AcmeAnswer>
  /** RFC 8555 §8.1. */
  keyAuthorization(token: string): string
}

const base64url = (data: string | Uint8Array) => Buffer.from(data).toString('base64url')

export function createAcmeClient(clock: Clock, settings: AcmeClientSettings): AcmeClient {
  const key = createPrivateKey(settings.accountKey)
  const jwk = publicJwk(key)
  let accountUrl = settings.accountUrl
  let directory: Promise<AcmeDirectory> | undefined
  let nonce: string | undefined

  async function send(method: 'GET' | 'HEAD' | 'POST', url: string, body?: string): Promise<AcmeAnswer> {
    const answer = await exchange(method, url, body, settings, clock)
    const fresh = answer.headers['replay-nonce']
    if (typeof fresh === 'string') nonce = fresh
    return answer
  }

  async function takeNonce(): Promise<string> {
    if (nonce === undefined) await send('HEAD', (await known()).newNonce)
    const taken = nonce
    nonce = undefined
    if (taken === undefined) throw new Error('the authority gives no nonce')
    return taken
  }

  function known(): Promise<AcmeDirectory> {
    directory ??= send('GET', settings.directoryUrl).then(readDirectory)
    directory.catch(() => (directory = undefined))
    return directory
  }

  async function signed(url: string, payload: object | null, who: object): Promise<AcmeAnswer> {
    for (let attempt = 0; ; attempt += 1) {
      const head = base64url(JSON.stringify({ alg: 'ES256', nonce: await takeNonce(), url, ...who }))
      const body = payload === null ? '' : base64url(JSON.stringify(payload))
      const signature = sign('sha256', Buffer.from(`${head}.${body}`), { key, dsaEncoding: 'ieee-p1363' })
      const jws = JSON.stringify({ protected: head, payload: body, signature: base64url(signature) })
      const answer = await send('POST', url, jws)
      if (answer.status < 400) return answer
      const problem = new AcmeProblem(answer.json ?? {}, answer.status, answer.retryAfterMs)
      if (problem.type !== 'badNonce' || attempt >= acmeLimits.nonceRetriesMax) throw problem
    }
  }

  return {
    directory: known,
    get: (url) => send('GET', url),
    async signIn({ email, external }) {
      const { newAccount } = await known()
      const account = {
        termsOfServiceAgreed: true,
        ...(email !== '' && { contact: [`mailto:${email}`] }),
        ...(external && { externalAccountBinding: binding(newAccount, jwk, external) }),
      }
      const answer = await signed(newAccount, account, { jwk })
      accountUrl = answer.headers.location
      if (accountUrl === undefined) throw new Error('the authority names no account')
      return accountUrl
    },
    post(url, payload) {
      if (accountUrl === undefined) throw new Error('no account yet')
      return signed(url, payload, { kid: accountUrl })
    },
    keyAuthorization: (token) => `${token}.${thumbprint(jwk)}`,
  }
}

function readDirectory({ status, json }: AcmeAnswer): AcmeDirectory {
  const found = (typeof json === 'object' && json !== null ? json : {}) as Partial<AcmeDirectory>
  const isWhole = [found.newNonce, found.newAccount, found.newOrder].every((url) => typeof url === 'string')
  if (status !== 200 || !isWhole) throw new Error(`there is no ACME directory (HTTP ${status})`)
  return found as AcmeDirectory
}

/** RFC 7638 §3.2: these members, in this order. */
function publicJwk(key: KeyObject): Record<string, string> {
  const { crv, kty, x, y } = createPublicKey(key).export({ format: 'jwk' }) as Record<string, string>
  return { crv, kty, x, y } as Record<string, string>
}

const thumbprint = (jwk: object) => createHash('sha256').update(JSON.stringify(jwk)).digest('base64url')

function binding(url: string, jwk: object, { keyId, hmacKey }: NonNullable<SignIn['external']>) {
  const head = base64url(JSON.stringify({ alg: 'HS256', kid: keyId, url }))
  const payload = base64url(JSON.stringify(jwk))
  const signature = createHmac('sha256', hmacKey).update(`${head}.${payload}`).digest('base64url')
  return { protected: head, payload, signature }
}

function exchange(
  method: string,
  url: string,
  body: string | undefined,
  { authorities, signal }: AcmeClientSettings,
  clock: Clock,
): Promise<AcmeAnswer> {
  return new Promise((resolve, reject) => {
    const outgoing = request(url, {
      method,
      agent: false,
      ...(authorities !== undefined && { ca: authorities }),
      ...(signal && { signal }),
      headers: {
        'user-agent': `skein/${skeinVersion}`,
        'accept-language': 'en',
        ...(body !== undefined && {
          'content-type': 'application/jose+json',
          'content-length': Buffer.byteLength(body),
        }),
      },
    })
    const timer = clock.setTimer(acmeLimits.requestTimeoutMs, () => outgoing.destroy(new Error('no answer in time')))
    outgoing.on('error', reject)
    outgoing.on('close', () => timer.cancel())
    outgoing.on('response', (incoming) => {
      const pieces: Buffer[] = []
      let bytes = 0
      incoming.on('data', (piece: Buffer) => {
        pieces.push(piece)
        bytes += piece.length
        if (bytes > acmeLimits.answerBytesMax) incoming.destroy(new Error('the answer is too long'))
      })
      incoming.on('error', reject)
      incoming.on('end', () => {
        const text = Buffer.concat(pieces).toString()
        const retryAfterMs = retryAfter(incoming.headers['retry-after'], clock.nowMs())
        resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, text, json: parsed(text), retryAfterMs })
      })
    })
    outgoing.end(body)
  })
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** RFC 9110 §10.2.3: seconds, or a date. */
export function retryAfter(text: string | undefined, nowMs: number): number | undefined {
  if (text === undefined) return undefined
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000
  const atMs = /^[A-Z][a-z]/.test(text) ? Date.parse(text) : Number.NaN
  return Number.isNaN(atMs) ? undefined : Math.max(0, atMs - nowMs)
}
