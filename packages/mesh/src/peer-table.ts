// Which members stand connected, and over which connection to ask them. Two nodes that dial each other at once end with two
// connections: the node with the lower PeerId decides alone which one stays, so the two can never close both.
import type { Logger, NodeId } from '@skein/runtime'
import { unreachable } from './failure.ts'
import type { PeerConnection } from './peer-connection.ts'
import { meshLimits } from './settings.ts'

export type PeerListener = (peer: NodeId, state: 'up' | 'down') => void

export class PeerTable {
  readonly #self: NodeId
  readonly #logger: Logger
  /** Greeted connections, the one to use first. */
  readonly #standing = new Map<NodeId, PeerConnection[]>()
  readonly #listeners = new Set<PeerListener>()

  constructor(self: NodeId, logger: Logger) {
    this.#self = self
    this.#logger = logger
  }

  connected(): NodeId[] {
    return [...this.#standing.keys()]
  }

  primary(peer: NodeId): PeerConnection | undefined {
    return this.#standing.get(peer)?.find((connection) => connection.usable)
  }

  primaries(): PeerConnection[] {
    return [...this.#standing.values()].flatMap((connections) => connections.slice(0, 1))
  }

  onChange(listener: PeerListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  add(connection: PeerConnection): void {
    const { peer } = connection
    const before = this.#standing.get(peer) ?? []
    const current = before.filter((other) => other.remoteSession === connection.remoteSession)
    for (const other of before) {
      if (!current.includes(other)) other.abort(unreachable('the peer started anew'))
    }
    // Aborting the last one said `down` already.
    const older = current[0]
    const olderWins = older !== undefined && this.#dialledByLower(older) && !this.#dialledByLower(connection)
    this.#standing.set(peer, olderWins ? [...current, connection] : [connection, ...current])
    if (older === undefined) this.#tell(peer, 'up')
    else if (this.#self < peer) this.#settle(older, connection, olderWins)
  }

  /** A connection that is retired answers what was asked, but is asked nothing more. */
  demote(connection: PeerConnection): void {
    const connections = this.#standing.get(connection.peer)
    if (connections === undefined || connections.length < 2) return
    this.#standing.set(connection.peer, [...connections.filter((other) => other !== connection), connection])
  }

  remove(connection: PeerConnection): void {
    const { peer } = connection
    const connections = this.#standing.get(peer)
    if (connections === undefined || !connections.includes(connection)) return
    const left = connections.filter((other) => other !== connection)
    if (left.length > 0) {
      this.#standing.set(peer, left)
      // Nobody asks on retired ones, so nobody would notice that the peer is lost.
      if (!left.some((other) => other.usable)) for (const other of left) other.abort(unreachable('the peer was lost'))
    } else {
      this.#standing.delete(peer)
      this.#tell(peer, 'down')
    }
  }

  /** Two dials of one side: it has lost the older connection, or it would not have dialled. */
  #settle(older: PeerConnection, newer: PeerConnection, olderWins: boolean): void {
    if (!olderWins) {
      void older.retire()
      return
    }
    // One that does not answer is dead, or only slow: retired, it may still end what was begun on it.
    older.probe(meshLimits.duplicateCheckMs).then(
      () => newer.retire(),
      () => older.retire(),
    )
  }

  #dialledByLower(connection: PeerConnection): boolean {
    return connection.outbound === this.#self < connection.peer
  }

  #tell(peer: NodeId, state: 'up' | 'down'): void {
    this.#logger.info({ peer, state }, 'a peer of the mesh changed')
    for (const listener of this.#listeners) {
      try {
        listener(peer, state)
      } catch (error) {
        this.#logger.error({ err: error, peer, state }, 'a listener to peer changes failed')
      }
    }
  }
}
