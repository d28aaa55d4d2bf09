// What the home of an account says of a log-in to the node that the client speaks to (PeerLink service `accounts`).
import type { NodeId } from '@skein/runtime'
import type { Account, Directory, LoginOutcome } from './ports.ts'

export type RemoteAnswer =
  | { kind: 'ok'; id: string; address: string; displayName: string; role: Account['role']; ticket?: Uint8Array }
  | { kind: 'refused' }
  | { kind: 'unavailable' }
  | { kind: 'throttled'; retryAfterMs: number }

/** @param ticketFor lets the asking node hand a session over, where the protocol's are */
export function answerOf(
  outcome: LoginOutcome,
  ticketFor: (account: Account) => { ticket?: Uint8Array },
): RemoteAnswer {
  switch (outcome.kind) {
    case 'ok': {
      const { id, address, displayName, role } = outcome.account
      return { kind: 'ok', id, address, displayName, role, ...ticketFor(outcome.account) }
    }
    case 'elsewhere':
      // It would send the asker round in circles: the map is still on its way to one of us.
      return { kind: 'unavailable' }
    default:
      return outcome
  }
}

export function outcomeOf(answer: RemoteAnswer, home: NodeId, directory: Directory): LoginOutcome {
  switch (answer.kind) {
    case 'ok': {
      const { id, address, displayName, role, ticket } = answer
      const node = directory.node(home)
      const homeName = node?.hostName || node?.name || home
      const account = { id, address, displayName, role }
      return { kind: 'elsewhere', account, home, homeName, ...(ticket ? { ticket } : {}) }
    }
    case 'throttled':
      return { kind: 'throttled', retryAfterMs: answer.retryAfterMs }
    case 'unavailable':
      return { kind: 'unavailable' }
    default:
      return { kind: 'refused' }
  }
}
