// One order from its names to the certificate (RFC 8555 §7.4): prove each name, hand in the request, fetch what was made of it.
import { X509Certificate, createPrivateKey } from 'node:crypto'
import { type Clock, sleep } from '@skein/runtime'
import { type AcmeAnswer, type AcmeClient, AcmeProblem } from './acme-client.ts'
import { acmeLimits } from './limits.ts'
import { signingRequest } from './signing-request.ts'

export interface Challenge {
  name: string
  token: string
  keyAuthorization: string
}

/** One way of proving that names are ours. */
export interface Prover {
  readonly type: 'http-01' | 'dns-01'
  /** Resolves when the authority may look. @returns the way to take the proof back, which never throws */
  present(challenge: Challenge): Promise<() => Promise<void>>
}

/** No certificate came of it; `refused` are the names to blame, where they are known. */
export class OrderFailed extends Error {
  override readonly name = 'OrderFailed'
  readonly refused: { name: string; why: string }[]
  readonly retryAfterMs: number | undefined

  constructor(text: string, refused: { name: string; why: string }[] = [], retryAfterMs?: number, cause?: unknown) {
    super(text, { cause })
    this.refused = refused
    this.retryAfterMs = retryAfterMs
  }
}

export interface OrderComponents {
  client: AcmeClient
  prover: Prover
  clock: Clock
  signal: AbortSignal
}

interface OrderDocument {
  status: string
  authorizations: string[]
  finalize: string
  certificate?: string
  error?: { detail?: string }
}

interface AuthorizationDocument {
  status: string
  identifier: { value: string }
  wildcard?: boolean
  challenges: {
    type: string
    url: string
    token?: string
    status: string
    error?: { type?: string; detail?: string }
  }[]
}

/**
 * @param key PEM; the certificate is for it
 * @param replaces RFC 9773 §5: the certificate that this one takes the place of
 * @returns PEM: the certificate, then its issuers
 * @throws OrderFailed
 */
export async function orderCertificate(
  parts: OrderComponents,
  { names, key, replaces }: { names: readonly string[]; key: string; replaces?: string | undefined },
): Promise<string> {
  const { client } = parts
  try {
    const { newOrder } = await client.directory()
    const identifiers = names.map((value) => ({ type: 'dns', value }))
    const made = await client.post(newOrder, { identifiers, ...(replaces !== undefined && { replaces }) })
    const url = made.headers.location ?? ''
    const order = made.json as OrderDocument
    await proveAll(parts, order.authorizations)
    const csr = Buffer.from(await signingRequest(key, names)).toString('base64url')
    let answer = await client.post(order.finalize, { csr })
    answer = await settled(parts, url, answer, ['valid', 'invalid'])
    const done = answer.json as OrderDocument
    if (done.status !== 'valid' || done.certificate === undefined) {
      throw new OrderFailed(`the authority made no certificate: ${done.error?.detail ?? done.status}`)
    }
    const { text } = await client.post(done.certificate, null)
    checkCertificate(text, key, names)
    return text
  } catch (error) {
    if (error instanceof OrderFailed || parts.signal.aborted) throw error
    if (error instanceof AcmeProblem) {
      throw new OrderFailed(`the authority says: ${error.message}`, error.names, error.retryAfterMs, error)
    }
    throw new OrderFailed((error as Error).message, [], undefined, error)
  }
}

async function proveAll(parts: OrderComponents, urls: readonly string[]): Promise<void> {
  const takeBack: (() => Promise<void>)[] = []
  try {
    const waiting: { url: string; challengeUrl: string }[] = []
    for (const url of urls) {
      const authorization = (await parts.client.post(url, null)).json as AuthorizationDocument
      if (authorization.status === 'valid') continue
      const challenge = authorization.challenges.find(({ type }) => type === parts.prover.type)
      const name = authorization.identifier.value
      if (challenge?.token === undefined) {
        const why = `the authority offers no ${parts.prover.type} for ${authorization.wildcard ? `*.${name}` : name}`
        throw new OrderFailed(why, [{ name, why }])
      }
      const keyAuthorization = parts.client.keyAuthorization(challenge.token)
      takeBack.push(await present(parts.prover, { name, token: challenge.token, keyAuthorization }))
      waiting.push({ url, challengeUrl: challenge.url })
    }
    for (const { challengeUrl } of waiting) await parts.client.post(challengeUrl, {})
    const refused: { name: string; why: string }[] = []
    for (const { url } of waiting) {
      const answer = await settled(parts, url, await parts.client.post(url, null), [
        'valid',
        'invalid',
        'deactivated',
        'expired',
        'revoked',
      ])
      const { status, identifier, challenges } = answer.json as AuthorizationDocument
      if (status === 'valid') continue
      const failed = challenges.find(({ error }) => error !== undefined)
      refused.push({ name: identifier.value, why: failed?.error?.detail ?? status })
    }
    if (refused.length > 0) {
      const told = refused.map(({ name, why }) => `${name}: ${why}`).join('; ')
      throw new OrderFailed(`the authority could not verify ${told}`, refused)
    }
  } finally {
    await Promise.all(takeBack.map((take) => take()))
  }
}

async function present(prover: Prover, challenge: Challenge): Promise<() => Promise<void>> {
  try {
    return await prover.present(challenge)
  } catch (error) {
    const { name } = challenge
    const why = (error as Error).message
    throw new OrderFailed(`${name} could not be proved: ${why}`, [{ name, why }], undefined, error)
  }
}

/** Looks again until the status is one of these. */
async function settled(
  { client, clock, signal }: OrderComponents,
  url: string,
  first: AcmeAnswer,
  statuses: readonly string[],
): Promise<AcmeAnswer> {
  const deadlineMs = clock.monotonicMs() + acmeLimits.orderTimeoutMs
  let answer = first
  for (let pauseMs: number = acmeLimits.pollMs; ; pauseMs = Math.min(pauseMs * 1.5, acmeLimits.pollMaxMs)) {
    const { status } = answer.json as { status?: string }
    if (status !== undefined && statuses.includes(status)) return answer
    if (clock.monotonicMs() > deadlineMs) throw new OrderFailed(`the authority was not done in time (${status})`)
    await sleep(clock, Math.min(answer.retryAfterMs ?? pauseMs, acmeLimits.pollMaxMs), signal)
    answer = await client.post(url, null)
  }
}

/** What is put in use must be ours and be for the names. */
function checkCertificate(pem: string, key: string, names: readonly string[]): void {
  const certificate = new X509Certificate(pem)
  if (!certificate.checkPrivateKey(createPrivateKey(key))) throw new OrderFailed('the certificate is for another key')
  const missing = names.filter((name) => certificate.checkHost(name.replace(/^\*\./, 'x.')) === undefined)
  if (missing.length > 0) throw new OrderFailed(`the certificate is not for ${missing.join(', ')}`)
}
