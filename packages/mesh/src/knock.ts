// How a newcomer asks to be let in. libp2p is loaded when somebody really does.
import type { Clock, Logger, NodeId } from '@skein/runtime'
import type { SecondFactor } from './settings.ts'

export interface Knock {
  privateKey: Uint8Array
  peers: { id: NodeId; addresses: string[] }[]
  /** At most 64 KiB. */
  request: Uint8Array
  clock: Clock
  logger: Logger
  secondFactor?: SecondFactor | null
  connectTimeoutMs?: number
  /** The IP to dial from, where it matters which one the peers see. */
  localAddress?: string
}

/**
 * @throws SkeinError what the gate of a member answered when it refused; `peer-unreachable` when none could be asked
 *   (also when no invite is open there: a stranger is then not told anything).
 */
export async function knock(options: Knock): Promise<{ from: NodeId; reply: Uint8Array }> {
  const { visit } = await import('./visitor.ts')
  return visit(options)
}
