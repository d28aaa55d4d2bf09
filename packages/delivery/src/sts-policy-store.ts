// The port behind which MTA-STS policies of other domains are kept over a restart (RFC 8461 §5.1).

export interface StsPolicyRecord {
  /** A-labels, lower case. */
  domain: string
  /** Of the TXT record under which it was fetched. */
  id: string
  fetchedMs: number
  maxAgeSeconds: number
  mode: 'enforce' | 'testing' | 'none'
  mx: readonly string[]
  /** The policy file's own lines. */
  lines: readonly string[]
}

export interface StsPolicyStore {
  get(domain: string): Promise<StsPolicyRecord | undefined>
  /** In place of the domain's former one. Durable when it resolves. */
  put(record: StsPolicyRecord): Promise<void>
  /** Removes those that have expired at `nowMs`. */
  sweep(nowMs: number): Promise<number>
}

export function hasExpired({ fetchedMs, maxAgeSeconds }: StsPolicyRecord, nowMs: number): boolean {
  return fetchedMs + maxAgeSeconds * 1000 <= nowMs
}
