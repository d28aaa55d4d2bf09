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
  const { paths, tls, ledger, clock, random, logger } = parts
  const files: AcmeFiles = openAcmeFiles(paths, settings.directoryUrl)
  const stopping = new AbortController()
  let timer: Timer | undefined
  let running: Promise<void> | undefined
  let askedMs = Number.NEGATIVE_INFINITY
  let dueMs: number | undefined
  let suggested: { fingerprint: string; atMs: number } | undefined

  const share = (fingerprint: string) =>
    createHash('sha256').update(`${ledger.self} ${fingerprint}`).digest().readUInt32BE(0) / 2 ** 32

  function client(): AcmeClient {
    return createAcmeClient(clock, {
      directoryUrl: settings.directoryUrl,
      accountKey: files.accountKey(),
      accountUrl: files.state.accountUrl,
      authorities: settings.authorities,
      signal: stopping.signal,
    })
  }

  async function names(): Promise<string[]> {
    const held = namesOf(tls.current().cert)
    const { method } = settings
    const all =
      settings.names.length > 0
        ? [...settings.names]
        : await wantedNames({ directory: ledger.directory, resolver: parts.resolver, hostName }, { method, held })
    const refused = files.state.refused.filter(({ untilMs }) => untilMs > clock.nowMs()).map(({ name }) => name)
    return settings.names.length > 0 ? all : all.filter((name) => name === hostName || !refused.includes(name))
  }

  /** Why a certificate is to be ordered now; undefined: none is. */
  async function reason(wanted: readonly string[]): Promise<string | undefined> {
    const { cert } = tls.current()
    const certificate = new X509Certificate(cert)
    if (certificate.fingerprint256 !== files.state.fingerprint) return 'there is none of this authority yet'
    const held = namesOf(cert)
    const lacking = wanted.filter((name) => !held.includes(name))
    if (lacking.length > 0) return `it lacks ${lacking.join(', ')}`
    const validity = { notBeforeMs: Date.parse(certificate.validFrom), notAfterMs: Date.parse(certificate.validTo) }
    const planned = renewalTimeMs(validity, settings.renewBeforeMs, share(certificate.fingerprint256))
    dueMs = Math.min(planned, await suggestedMs(cert, certificate.fingerprint256))
    return dueMs <= clock.nowMs() ? `it is valid until ${certificate.validTo}` : undefined
  }

  async function suggestedMs(cert: string, fingerprint: string): Promise<number> {
    if (suggested?.fingerprint === fingerprint && suggested.atMs <= clock.nowMs()) return suggested.atMs
    try {
      const window = await suggestedWindow(client(), cert)
      suggested = window && { fingerprint, atMs: suggestedTimeMs(window, share(fingerprint)) }
    } catch (error) {
      logger.info({ error: String(error) }, 'the authority does not say when to renew')
    }
    return suggested?.fingerprint === fingerprint ? suggested.atMs : Number.POSITIVE_INFINITY
  }

  /** RFC 7671 §8.1: where TLSA is published, a key is used only after its own record has been there for long enough. */
  async function keyToUse(): Promise<string> {
    const current = readFileSync(paths.tlsKey, 'utf8')
    if (!settings.changesKey && keyTypeOf(current) === settings.keyType) return current
    const next = nextKey(paths, settings.keyType)
    await parts.announceKeys()
    const name = `_25._tcp.${hostName}`
    const digest = keyDigest(next.pem)
    try {
      const { records } = await parts.resolver.tlsa(name)
      const isTold = records.some(({ data }) => Buffer.from(data).toString('hex') === digest)
      const isLong = clock.nowMs() - next.sinceMs >= acmeLimits.nextKeyLeadMs
      if (records.length === 0 || (isTold && isLong)) return next.pem
      logger.warn(
        { name },
        'the key is not changed yet: the next one is not in TLSA, or not for two days ("skein dns")',
      )
    } catch (error) {
      if (error instanceof SkeinError && error.code === 'no-such-domain') return next.pem
      logger.warn({ name, error: String(error) }, 'the key is not changed: it can not be seen what TLSA says')
    }
    return current
  }

  async function order(wanted: readonly string[], why: string): Promise<void> {
    logger.info({ names: wanted, why }, 'a certificate is ordered')
    const acme = client()
    const { cert } = tls.current()
    const isOurs = new X509Certificate(cert).fingerprint256 === files.state.fingerprint
    const { renewalInfo, meta } = await acme.directory()
    if (files.state.accountUrl === undefined) {
      files.save({ accountUrl: await acme.signIn({ email: settings.email, external: settings.external }) })
    }
    const key = await keyToUse()
    const replaces = isOurs && renewalInfo !== undefined ? certificateId(cert) : undefined
    const orderParts = { client: acme, prover: parts.prover, clock, signal: stopping.signal }
    const made = await orderCertificate(orderParts, { names: wanted, key, replaces }).catch((error: unknown) => {
      // The authority has forgotten us: the next order begins with a new account.
      if (isProblem(error, 'accountDoesNotExist')) files.save({ accountUrl: undefined })
      throw error
    })
    const { fingerprint256: fingerprint, validTo } = new X509Certificate(made)
    installCertificate(paths, made, key)
    files.save({ fingerprint, failures: 0, nextAttemptMs: 0, lastError: undefined, lastFailureMs: undefined })
    tls.reload()
    rmSync(paths.tlsSelfMade, { force: true })
    if (settings.changesKey) nextKey(paths, settings.keyType)
    await ledger.setSelf({ authority: (meta?.caaIdentities?.[0] ?? '').toLowerCase() })
    await parts.announceKeys()
    logger.info({ names: wanted, validTo }, 'a new certificate is in use')
  }

  function noteFailure(error: unknown): string {
    const failure = error instanceof OrderFailed ? error : undefined
    const text = (error as Error).message
    const nowMs = clock.nowMs()
    const failures = files.state.failures + 1
    const untilMs = nowMs + acmeLimits.refusedKeepMs
    const blamed = (failure?.refused ?? []).map((one) => ({ ...one, untilMs }))
    const kept = files.state.refused.filter(
      (one) => one.untilMs > nowMs && !blamed.some(({ name }) => name === one.name),
    )
    const pauseMs = retryPauseMs(failures, random.next(), failure?.retryAfterMs)
    files.save({
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

  async function look(isAsked: boolean): Promise<void> {
    try {
      const wanted = await names()
      const why = isAsked ? 'an operator asked for it' : await reason(wanted)
      if (why === undefined || (!isAsked && files.state.nextAttemptMs > clock.nowMs())) return
      await order(wanted, why)
      await reason(wanted)
    } catch (error) {
      if (stopping.signal.aborted) return
      const text = noteFailure(error)
      if (isAsked) throw new SkeinError('acme-failed', 'temporary', `no certificate: ${text}`, error)
    }
  }

  function run(isAsked: boolean): Promise<void> {
    timer?.cancel()
    running = look(isAsked).finally(() => {
      running = undefined
      plan()
    })
    return running
  }

  function plan(): void {
    if (stopping.signal.aborted) return
    const nowMs = clock.nowMs()
    const { failures, nextAttemptMs } = files.state
    const wakeMs = failures > 0 ? nextAttemptMs : (dueMs ?? nowMs + acmeLimits.checkMs)
    const delayMs = Math.max(1_000, Math.min(wakeMs - nowMs, acmeLimits.checkMs))
    timer = clock.setTimer(delayMs, () => {
      run(false).catch((error: unknown) =>
        logger.error({ error: String(error) }, 'certificates can not be looked after'),
      )
    })
  }

  return {
    start() {
      run(false).catch((error: unknown) =>
        logger.error({ error: String(error) }, 'certificates can not be looked after'),
      )
    },
    view() {
      const { failures, lastError, nextAttemptMs, refused } = files.state
      return {
        authority: new URL(settings.directoryUrl).host,
        state: running ? 'ordering' : failures > 0 ? 'failing' : 'good',
        nextMs: failures > 0 ? nextAttemptMs : (dueMs ?? null),
        failures,
        error: lastError ?? null,
        refused: refused.filter(({ untilMs }) => untilMs > clock.nowMs()).map(({ name, why }) => ({ name, why })),
      }
    },
    async renew() {
      const nowMs = clock.monotonicMs()
      if (running || nowMs - askedMs < acmeLimits.renewPauseMs) {
        throw new SkeinError(
          'acme-busy',
          'temporary',
          'an order is under way, or was a moment ago: "skein tls" tells how it went',
        )
      }
      askedMs = nowMs
      files.save({ refused: [] })
      await run(true)
    },
    async stop() {
      timer?.cancel()
      stopping.abort(new Error('the node stops'))
      await running?.catch(() => undefined)
    },
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
