// MTA-STS policies in memory.
import { type StsPolicyRecord, type StsPolicyStore, hasExpired } from '@skein/delivery'

/** @param kept outlives the store where a test hands the same map to the next one. */
export function createMemoryStsPolicyStore(kept = new Map<string, StsPolicyRecord>()): StsPolicyStore {
  return {
    get: async (domain) => structuredClone(kept.get(domain)),
    put: async (record) => void kept.set(record.domain, structuredClone(record)),
    async sweep(nowMs) {
      const expired = [...kept.values()].filter((record) => hasExpired(record, nowMs))
      for (const { domain } of expired) kept.delete(domain)
      return expired.length
    },
  }
}
