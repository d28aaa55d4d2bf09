// How much each user has sent at other nodes: counts that fade, shared with what the mesh knows of those who knock.
import type { SpentElsewhere } from '@skein/delivery'
import type { Clock } from '@skein/runtime'
import type { Judgement } from '../judgement/judgement.ts'
import { type CountRule, DecayingCounts } from './decaying-counts.ts'
import { doorLimits } from './limits.ts'

/** The others are told of each twentieth of a limit. */
const tellShare = 0.05

export function createSpentElsewhere(parts: { judgement: Judgement; clock: Clock }): SpentElsewhere {
  const counts = new DecayingCounts(parts, 'use', doorLimits.countsMax)
  const ruleOf = ({ lengthMs, max }: { lengthMs: number; max: number }): CountRule => ({
    fadesMs: lengthMs,
    tellStep: Math.max(1, max * tellShare),
    wordMax: max,
  })
  return {
    note: (what, account, amount, window) => counts.add(`user ${what} ${account}`, amount, ruleOf(window)),
    amount: (what, account, window) => counts.elsewhere(`user ${what} ${account}`, ruleOf(window)),
  }
}
