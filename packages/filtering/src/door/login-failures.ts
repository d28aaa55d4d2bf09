// Failed log-ins in the judgement: whoever guesses passwords at one node finds the delays of that node at every other.
import type { LoginFailures, SharedLoginFailures } from '@skein/accounts'
import type { Clock } from '@skein/runtime'
import type { Judgement } from '../judgement/judgement.ts'
import { judgementKeepLimits } from '../judgement/limits.ts'
import type { SubjectHash } from './subject-hash.ts'

export interface LoginFailuresParts {
  judgement: Judgement
  clock: Clock
  hash: SubjectHash
  isTrusted(address: string): boolean
}

export function createSharedLoginFailures(parts: LoginFailuresParts): SharedLoginFailures {
  const { judgement, clock, hash, isTrusted } = parts
  return {
    concerns: (remoteAddress) => !isTrusted(remoteAddress),

    of(key) {
      // Most of the time nobody fails anywhere, and a log-in costs no hash.
      if (!judgement.knows('login')) return undefined
      const nowMs = clock.nowMs()
      let worst: LoginFailures | undefined
      for (const { author, record } of judgement.about('login', hash('login', key))) {
        if (author === judgement.self) continue
        const [count = 0, lastMs = 0, blockedUntilMs = 0] = record.values
        worst = {
          count: Math.max(worst?.count ?? 0, count),
          lastMs: Math.max(worst?.lastMs ?? 0, Math.min(lastMs, nowMs)),
          blockedUntilMs: Math.max(worst?.blockedUntilMs ?? 0, blockedUntilMs),
        }
      }
      return worst
    },

    tell(key, failures) {
      const { count, lastMs, blockedUntilMs } = failures ?? { count: 0, lastMs: 0, blockedUntilMs: 0 }
      const untilMs = clock.nowMs() + judgementKeepLimits.loginMs
      judgement.say('login', hash('login', key), { values: [count, lastMs, blockedUntilMs], untilMs })
    },
  }
}
