// Carries letters into mailboxes that live on this node.
import type { AccountId, Directory } from '@skein/accounts'
import type { Clock } from '@skein/runtime'
import { answers, type Answer } from './answers.ts'
import type { Placement } from './placement.ts'
import type { Consignment, Courier, DeliveryResult } from './ports.ts'
import { routeRecipient, type RouteSettings } from './route.ts'

export interface LocalCourierComponents {
  placement: Placement
  directory: Directory
  clock: Clock
}

export function createLocalCourier(
  { placement, directory, clock }: LocalCourierComponents,
  settings: RouteSettings = {},
): Courier {
  return {
    kind: 'local',
    async deliver({ item, recipients }: Consignment): Promise<DeliveryResult[]> {
      const homes = recipients.map((recipient): AccountId | undefined => {
        const route = routeRecipient(directory, recipient, settings)
        return route.kind === 'local' ? route.accountId : undefined
      })
      const addressees = recipients.flatMap(({ index, into }, at) => {
        const accountId = homes[at]
        return accountId === undefined ? [] : [{ index, accountId, ...(into && { into }) }]
      })
      const results = await placement.put(item, addressees)
      let nextResult = 0
      return homes.map((home): DeliveryResult => {
        // Moved to another node a moment ago: the next attempt goes there.
        const answer: Answer = home === undefined ? answers.notHere : (results[nextResult++] ?? answers.internal)
        return { ...answer, atMs: clock.nowMs(), courier: 'local', hop: directory.self }
      })
    },
  }
}
