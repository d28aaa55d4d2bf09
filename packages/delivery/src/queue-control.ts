// What operators do with letters of the queue, those that another node has and those that are another node's included.
import { SkeinError, type Clock } from '@skein/runtime'
import type { LetterKeeper } from './letter-keeper.ts'
import type { OtherWays } from './other-ways.ts'
import type { QueueControl, QueueId, QueueItem } from './ports.ts'
import type { Scheduler } from './scheduler.ts'

export interface QueueControlComponents {
  keeper: LetterKeeper
  scheduler: Scheduler
  ways: OtherWays
  clock: Clock
}

export function createQueueControl({ keeper, scheduler, ways, clock }: QueueControlComponents): QueueControl {
  /** Another node's letter: its queue has the last word on it. */
  const refuseErrand = (id: QueueId): void => {
    const errand = keeper.get(id)?.item.errand
    if (!errand) return
    throw new SkeinError(
      'not-our-letter',
      'refused',
      `the letter is ${errand.letter} of node ${errand.origin}: ask there`,
    )
  }
  return {
    list: () => keeper.letters().map(({ item }) => withBackOff(item, scheduler)),
    async retry(id) {
      refuseErrand(id)
      keeper.apply(id, { event: 'retry', atMs: clock.nowMs() })
      scheduler.hurry(id)
      ways.handOvers.hurry(id)
    },
    async hold(id) {
      refuseErrand(id)
      keeper.apply(id, { event: 'hold' })
      await ways.handOvers.recall(id)
    },
    async release(id) {
      refuseErrand(id)
      keeper.apply(id, { event: 'release', atMs: clock.nowMs() })
    },
    async cancel(id, options) {
      keeper.apply(id, { event: 'cancel', atMs: clock.nowMs(), silent: options?.silent ?? false })
      await ways.handOvers.recall(id)
    },
  }
}

/** Who waits for a destination in back-off is tried when that ends, whatever his own record says. */
function withBackOff(item: QueueItem, scheduler: Scheduler): QueueItem {
  return {
    ...item,
    recipients: item.recipients.map((it) => {
      const untilMs = scheduler.blockedUntilMs(item.id, it.index)
      return untilMs === undefined ? it : { ...it, nextAttemptMs: untilMs }
    }),
  }
}
