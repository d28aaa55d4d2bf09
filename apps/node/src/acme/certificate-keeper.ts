// Keeps this node's certificate good: finds out what it should be, orders it in time, puts it in use without a restart.
// Promises: whatever fails, the certificate in use stays in use; a failure is told, and tried again ever more seldom.
import { X509Certificate, createHash } from 'node:crypto'
import { readFileSync, rmSync } from 'node:fs'
import type { Ledger } from '@skein/replication'
import { type Clock, type DnsResolver, type Logger, type Random, SkeinError, type Timer } from '@skein/runtime'
import type { DataDirectory } from '../data-directory.ts'
import type { ReloadableTls } from '../tls-files.ts'
import { keyDigest } from '../tls-keys.ts'
import { type AcmeClient, AcmeProblem, createAcmeClient } from './acme-client.ts'
import { type AcmeFiles, installCertificate, nextKey, openAcmeFiles } from './acme-files.ts'
import type { AcmeSettings } from './acme-settings.ts'
import { acmeLimits } from './limits.ts'
import { OrderFailed, type Prover, orderCertificate } from './order.ts'
import { certificateId, suggestedWindow } from './renewal-info.ts'
import { renewalTimeMs, retryPauseMs, suggestedTimeMs } from './renewal-time.ts'
import { keyTypeOf } from './signing-request.ts'
import { wantedNames } from './wanted-names.ts'

export interface KeeperComponents {
  paths: DataDirectory
  tls: ReloadableTls
  ledger: Ledger
  resolver: DnsResolver
  prover: Prover
  clock: Clock
  random: Random
  logger: Logger
  /** Tells the world which keys are used here now. */
  announceKeys(): Promise<void>
  /** Default: the authority itself, over HTTPS. */
  connect?: typeof createAcmeClient
}

export interface AcmeView {
  authority: string
  state: 'good' | 'ordering' | 'failing'
  /** When the next order is due, as far as is known. */
  nextMs: number | null
  failures: number
  error: string | null
  /** Names that are left out, and why. */
  refused: { name: string; why: string }[]
}

export interface CertificateKeeper {
  start(): void
  view(): AcmeView
  /** Orders now, whatever the plan. @throws SkeinError `acme-failed`, `acme-busy` */
  renew(): Promise<void>
  stop(): Promise<void>
}

export function createCertificateKeeper(
  parts: KeeperComponents,
  settings: AcmeSettings,
  { hostName }: { hostName: string },
): CertificateKeeper {
  return new Keeper(parts, settings, hostName)
}

class Keeper implements CertificateKeeper {
  readonly #parts: KeeperComponents
  readonly #settings: AcmeSettings
  readonly #hostName: string
  readonly #files: AcmeFiles
  readonly #stopping = new AbortController()
  #timer: Timer | undefined
  #running: Promise<void> | undefined
  #askedMs = Number.NEGATIVE_INFINITY
  #dueMs: number | undefined
  #suggested: { fingerprint: string; atMs: number } | undefined

  constructor(parts: KeeperComponents, settings: AcmeSettings, hostName: string) {
    this.#parts = parts
    this.#settings = settings
    this.#hostName = hostName
    this.#files = openAcmeFiles(parts.paths, settings.directoryUrl)
  }

  start(): void {
    this.#run(false).catch((error: unknown) => this.#noteBug(error))
  }

  view(): AcmeView {
    const { failures, lastError, nextAttemptMs, refused } = this.#files.state
    const nowMs = this.#parts.clock.nowMs()
    return {
      authority: new URL(this.#settings.directoryUrl).host,
      state: this.#running ? 'ordering' : failures > 0 ? 'failing' : 'good',
      nextMs: failures > 0 ? nextAttemptMs : (this.#dueMs ?? null),
      failures,
      error: lastError ?? null,
      refused: refused.filter(({ untilMs }) => untilMs > nowMs).map(({ name, why }) => ({ name, why })),
    }
  }

  async renew(): Promise<void> {
    const nowMs = this.#parts.clock.monotonicMs()
    if (this.#running || nowMs - this.#askedMs < acmeLimits.renewPauseMs) {
      throw new SkeinError(
        'acme-busy',
        'temporary',
        'an order is under way, or was a moment ago: "skein tls" tells how it went',
      )
    }
    this.#askedMs = nowMs
    this.#files.save({ refused: [] })
    await this.#run(true)
  }

  async stop(): Promise<void> {
    this.#timer?.cancel()
    this.#stopping.abort(new Error('the node stops'))
    await this.#running?.catch(() => undefined)
  }

  #run(isAsked: boolean): Promise<void> {
    this.#timer?.cancel()
    this.#running = this.#look(isAsked).finally(() => {
      this.#running = undefined
      this.#plan()
    })
    return this.#running
  }

  #plan(): void {
    if (this.#stopping.signal.aborted) return
    const { clock } = this.#parts
    const nowMs = clock.nowMs()
    const { failures, nextAttemptMs } = this.#files.state
    const wakeMs = failures > 0 ? nextAttemptMs : (this.#dueMs ?? nowMs + acmeLimits.checkMs)
    const delayMs = Math.max(acmeLimits.lookPauseMs, Math.min(wakeMs - nowMs, acmeLimits.checkMs))
    this.#timer = clock.setTimer(delayMs, () => {
      this.#run(false).catch((error: unknown) => this.#noteBug(error))
    })
  }

  async #look(isAsked: boolean): Promise<void> {
    const { state } = this.#files
    try {
      const wanted = await this.#names()
      const why = isAsked ? 'an operator asked for it' : await this.#reason(wanted)
      if (!isAsked && state.nextAttemptMs > this.#parts.clock.nowMs()) return
      if (why === undefined) {
        // An order that failed and that nothing needs any more: an operator asked for it, or the names have changed.
        if (state.failures > 0) this.#files.save({ failures: 0, nextAttemptMs: 0, lastError: undefined })
        return
      }
      await this.#order(wanted, why)
      await this.#reason(wanted)
    } catch (error) {
      if (this.#stopping.signal.aborted) return
      const text = this.#noteFailure(error)
      if (isAsked) throw new SkeinError('acme-failed', 'temporary', `no certificate: ${text}`, error)
    }
  }

  async #names(): Promise<string[]> {
    const { names, method } = this.#settings
    if (names.length > 0) return [...names]
    const { ledger, resolver, tls, clock } = this.#parts
    const hostName = this.#hostName
    const facts = { directory: ledger.directory, resolver, hostName }
    const all = await wantedNames(facts, { method, held: namesOf(tls.current().cert) })
    const isLeftOut = (name: string) =>
      this.#files.state.refused.some((one) => one.name === name && one.untilMs > clock.nowMs())
    return all.filter((name) => name === hostName || !isLeftOut(name))
  }

  /** Why a certificate is to be ordered now; undefined: none is. */
  async #reason(wanted: readonly string[]): Promise<string | undefined> {
    const { cert } = this.#parts.tls.current()
    const { fingerprint256: fingerprint, validFrom, validTo } = new X509Certificate(cert)
    this.#dueMs = undefined
    if (fingerprint !== this.#files.state.fingerprint) return 'there is none of this authority yet'
    const held = namesOf(cert)
    const lacking = wanted.filter((name) => !held.includes(name))
    if (lacking.length > 0) return `it lacks ${lacking.join(', ')}`
    const validity = { notBeforeMs: Date.parse(validFrom), notAfterMs: Date.parse(validTo) }
    const planned = renewalTimeMs(validity, this.#settings.renewBeforeMs, this.#share(fingerprint))
    this.#dueMs = Math.min(planned, await this.#suggestedMs(cert, fingerprint))
    return this.#dueMs <= this.#parts.clock.nowMs() ? `it is valid until ${validTo}` : undefined
  }

  /** In [0, 1), another one for each node and certificate. */
  #share(fingerprint: string): number {
    const digest = createHash('sha256').update(`${this.#parts.ledger.self} ${fingerprint}`).digest()
    return digest.readUInt32BE(0) / 2 ** 32
  }

  async #suggestedMs(cert: string, fingerprint: string): Promise<number> {
    const { clock, logger } = this.#parts
    const known = this.#suggested?.fingerprint === fingerprint ? this.#suggested : undefined
    if (known && known.atMs <= clock.nowMs()) return known.atMs
    try {
      const window = await suggestedWindow(this.#client(), cert)
      this.#suggested = window && { fingerprint, atMs: suggestedTimeMs(window, this.#share(fingerprint)) }
      return this.#suggested?.atMs ?? Number.POSITIVE_INFINITY
    } catch (error) {
      logger.info({ error: String(error) }, 'the authority does not say when to renew')
      return known?.atMs ?? Number.POSITIVE_INFINITY
    }
  }

  #client(): AcmeClient {
    const { directoryUrl, authorities } = this.#settings
    const { accountUrl } = this.#files.state
    const accountKey = this.#files.accountKey()
    const connect = this.#parts.connect ?? createAcmeClient
    const { signal } = this.#stopping
    return connect(this.#parts.clock, { directoryUrl, accountKey, accountUrl, authorities, signal })
  }

  async #order(wanted: readonly string[], why: string): Promise<void> {
    const { paths, tls, prover, clock, logger } = this.#parts
    const { email, external } = this.#settings
    logger.info({ names: wanted, why }, 'a certificate is ordered')
    const client = this.#client()
    const { renewalInfo, meta } = await client.directory()
    if (this.#files.state.accountUrl === undefined) {
      this.#files.save({ accountUrl: await client.signIn({ email, external }) })
    }
    const key = await this.#keyToUse()
    const { cert } = tls.current()
    const isOurs = new X509Certificate(cert).fingerprint256 === this.#files.state.fingerprint
    const replaces = isOurs && renewalInfo !== undefined ? certificateId(cert) : undefined
    const orderParts = { client, prover, clock, signal: this.#stopping.signal }
    const made = await orderCertificate(orderParts, { names: wanted, key, replaces }).catch((error: unknown) => {
      // The authority has forgotten us: the next order begins with a new account.
      if (isProblem(error, 'accountDoesNotExist')) this.#files.save({ accountUrl: undefined })
      throw error
    })
    const { fingerprint256: fingerprint, validTo } = new X509Certificate(made)
    installCertificate(paths, made, key)
    this.#files.save({
      fingerprint,
      failures: 0,
      nextAttemptMs: 0,
      lastError: undefined,
      lastFailureMs: undefined,
    })
    tls.reload()
    rmSync(paths.tlsSelfMade, { force: true })
    logger.info({ names: wanted, validTo }, 'a new certificate is in use')
    await this.#tellMesh((meta?.caaIdentities?.[0] ?? '').toLowerCase())
  }

  /** RFC 7671 §8.1: where TLSA is published, a key is used only after its own record has been there for long enough. */
  async #keyToUse(): Promise<string> {
    const { paths, clock, resolver, logger } = this.#parts
    const current = readFileSync(paths.tlsKey, 'utf8')
    if (!this.#settings.changesKey && keyTypeOf(current) === this.#settings.keyType) return current
    const { pem, digest, sinceMs } = await this.#readyNextKey()
    const name = `_25._tcp.${this.#hostName}`
    try {
      const { records } = await resolver.tlsa(name)
      const isTold = records.some(({ data }) => Buffer.from(data).toString('hex') === digest)
      if (records.length === 0 || (isTold && clock.nowMs() - sinceMs >= acmeLimits.nextKeyLeadMs)) return pem
      logger.warn(
        { name },
        'the key is not changed yet: the next one is not in TLSA, or not for two days ("skein dns")',
      )
    } catch (error) {
      if (error instanceof SkeinError && error.code === 'no-such-domain') return pem
      logger.warn({ name, error: String(error) }, 'the key is not changed: it can not be seen what TLSA says')
    }
    return current
  }

  async #readyNextKey(): Promise<{ pem: string; digest: string; sinceMs: number }> {
    const pem = nextKey(this.#parts.paths, this.#settings.keyType)
    const digest = keyDigest(pem)
    const nowMs = this.#parts.clock.nowMs()
    if (this.#files.state.nextKey?.digest !== digest) this.#files.save({ nextKey: { digest, sinceMs: nowMs } })
    await this.#parts.announceKeys()
    return { pem, digest, sinceMs: this.#files.state.nextKey?.sinceMs ?? nowMs }
  }

  /** The certificate is in use: that the others can't be told yet is no failure of it. */
  async #tellMesh(authority: string): Promise<void> {
    try {
      await this.#parts.ledger.setSelf({ authority })
      if (this.#settings.changesKey) await this.#readyNextKey()
      else await this.#parts.announceKeys()
    } catch (error) {
      this.#parts.logger.warn({ error: String(error) }, 'the mesh could not be told of the new certificate')
    }
  }

  /** @returns the sentence that tells it */
  #noteFailure(error: unknown): string {
    const { clock, random, logger } = this.#parts
    const { state } = this.#files
    const nowMs = clock.nowMs()
    const failure = error instanceof OrderFailed ? error : undefined
    const text = (error as Error).message
    const failures = state.failures + 1
    const untilMs = nowMs + acmeLimits.refusedKeepMs
    const blamed = (failure?.refused ?? []).map((one) => ({ ...one, untilMs }))
    const isBlamed = (name: string) => blamed.some((one) => one.name === name)
    const kept = state.refused.filter((one) => one.untilMs > nowMs && !isBlamed(one.name))
    const pauseMs = retryPauseMs(failures, random.next(), failure?.retryAfterMs)
    this.#files.save({
      failures,
      lastError: text,
      lastFailureMs: nowMs,
      nextAttemptMs: nowMs + pauseMs,
      refused: [...kept, ...blamed],
    })
    const againIn = `${Math.round(pauseMs / 60_000)} min`
    logger.warn({ error: text, failures, againIn }, 'no certificate came of an order; the one in use stays')
    return text
  }

  #noteBug(error: unknown): void {
    this.#parts.logger.error({ error: String(error) }, 'certificates can not be looked after')
  }
}

function isProblem(error: unknown, type: string): boolean {
  const { cause } = error as { cause?: unknown }
  return cause instanceof AcmeProblem && cause.type === type
}

/** DNS names that the certificate is for. */
export function namesOf(pem: string): string[] {
  const text = new X509Certificate(pem).subjectAltName ?? ''
  return text.split(', ').flatMap((entry) => (entry.startsWith('DNS:') ? [entry.slice(4)] : []))
}
