// The MTA-STS policy that is in force for a domain now (RFC 8461 §3.1, §5.1). Promises: a policy that was learnt holds until it
// expires, whatever the DNS and the web say since, unless they give a new one.
import type { StsPolicyRecord, StsPolicyStore } from '@skein/delivery'
import type { TlsFailureType } from '@skein/reports'
import { type Clock, type DnsResolver, type Logger, SkeinError } from '@skein/runtime'
import type { OutsideLimits } from '../limits.ts'
import { StsFetchFailure } from './sts-fetch.ts'
import { type StsPolicy, stsIdOf } from './sts-policy.ts'

export interface StsAnswer {
  /** Null: none is in force. */
  policy: StsPolicy | null
  /** Why a policy that the domain announces could not be had, just now. */
  failure: { type: TlsFailureType; text: string } | null
}

export interface StsPoliciesComponents {
  resolver: DnsResolver
  store: StsPolicyStore
  clock: Clock
  logger: Logger
  /** @throws StsFetchFailure */
  fetch: (domain: string) => Promise<StsPolicy>
}

export class StsPolicies {
  readonly #parts: StsPoliciesComponents
  readonly #limits: OutsideLimits
  readonly #asking = new Map<string, Promise<StsAnswer>>()
  #sweepAtMs = 0
  /** Domain and id that could not be fetched, and until when it is not tried again. */
  readonly #failed = new Map<string, { id: string; untilMs: number; failure: StsAnswer['failure'] }>()

  constructor(components: StsPoliciesComponents, limits: OutsideLimits) {
    this.#parts = components
    this.#limits = limits
  }

  /** Never throws: without an answer what is known counts. */
  async of(domain: string): Promise<StsAnswer> {
    const underWay = this.#asking.get(domain)
    if (underWay) return underWay
    const asking = this.#find(domain)
    this.#asking.set(domain, asking)
    try {
      return await asking
    } finally {
      this.#asking.delete(domain)
    }
  }

  async #find(domain: string): Promise<StsAnswer> {
    const { store, clock, logger } = this.#parts
    let known: StsPolicyRecord | undefined
    try {
      known = await store.get(domain)
    } catch (error) {
      logger.error({ domain, error: String(error) }, 'a kept MTA-STS policy can not be read')
    }
    const nowMs = clock.nowMs()
    if (known && known.fetchedMs + known.maxAgeSeconds * 1000 <= nowMs) known = undefined
    const kept = known ? policyOf(known) : null
    const id = await this.#announcedId(domain)
    if (id === null) return { policy: kept, failure: null }
    if (known?.id === id && !this.#isOld(known, nowMs)) return { policy: kept, failure: null }
    const failed = this.#failed.get(domain)
    if (failed && failed.id === id && failed.untilMs > clock.monotonicMs()) {
      return { policy: kept, failure: kept ? null : failed.failure }
    }
    return this.#fetch(domain, id, kept)
  }

  async #announcedId(domain: string): Promise<string | null> {
    try {
      return stsIdOf((await this.#parts.resolver.txt(`_mta-sts.${domain}`)).records)
    } catch (error) {
      if (!(error instanceof SkeinError)) throw error
      return null
    }
  }

  /** RFC 8461 §10.2: asked for anew before it expires, so that a domain whose id stays has no gap. */
  #isOld({ fetchedMs, maxAgeSeconds }: StsPolicyRecord, nowMs: number): boolean {
    return nowMs - fetchedMs > Math.min((maxAgeSeconds * 1000) / 2, this.#limits.stsRefreshMs)
  }

  async #fetch(domain: string, id: string, kept: StsPolicy | null): Promise<StsAnswer> {
    const { fetch, store, clock, logger } = this.#parts
    let policy: StsPolicy
    try {
      policy = await fetch(domain)
    } catch (error) {
      if (!(error instanceof StsFetchFailure)) throw error
      logger.info({ domain, error: error.message }, 'an MTA-STS policy could not be fetched')
      const failure = { type: error.type, text: error.message }
      this.#noteFailure(domain, id, failure)
      return { policy: kept, failure }
    }
    this.#failed.delete(domain)
    try {
      await store.put({ domain, id, fetchedMs: clock.nowMs(), ...policy })
      if (clock.monotonicMs() >= this.#sweepAtMs) {
        this.#sweepAtMs = clock.monotonicMs() + this.#limits.stsSweepMs
        await store.sweep(clock.nowMs())
      }
    } catch (error) {
      logger.error({ domain, error: String(error) }, 'an MTA-STS policy could not be kept')
    }
    return { policy: policy.mode === 'none' ? null : policy, failure: null }
  }

  #noteFailure(domain: string, id: string, failure: StsAnswer['failure']): void {
    const untilMs = this.#parts.clock.monotonicMs() + this.#limits.stsFailurePauseMs
    this.#failed.delete(domain)
    this.#failed.set(domain, { id, untilMs, failure })
    const [oldest] = this.#failed.keys()
    if (this.#failed.size > this.#limits.stsFailuresKeptMax && oldest !== undefined) this.#failed.delete(oldest)
  }
}

function policyOf({ mode, mx, maxAgeSeconds, lines }: StsPolicyRecord): StsPolicy | null {
  return mode === 'none' ? null : { mode, mx: [...mx], maxAgeSeconds, lines: [...lines] }
}
