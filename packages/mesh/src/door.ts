// Who gets in, asked of the gate at every step of a connection: address before the handshake, PeerId after it, membership
// again for each stream and whenever the gate changes. A stranger is let in only while an invite is open, only to knock.
import type { Connection, ConnectionGater, MultiaddrConnection, PeerId, StreamHandler } from '@libp2p/interface'
import type { MeshGate } from '@skein/replication'
import { SkeinError } from '@skein/runtime'
import type { NodeId } from '@skein/runtime'
import { ipOf } from './peer-address.ts'
import { meshLimits } from './settings.ts'

export interface DoorState {
  serving(): boolean
  connecting(): boolean
  inboundFull(): boolean
  outboundFull(): boolean
}

export class Door {
  readonly gater: ConnectionGater
  readonly #gate: MeshGate
  readonly #state: DoorState
  readonly #handshakes = new Map<string, number>()
  readonly #handshakeOvers = new Map<MultiaddrConnection, () => void>()
  readonly #strangers = new Set<MultiaddrConnection>()

  constructor(gate: MeshGate, state: DoorState) {
    this.#gate = gate
    this.#state = state
    this.gater = {
      denyInboundConnection: (raw) => !this.#mayShakeHands(raw),
      denyInboundEncryptedConnection: (peer, raw) => !this.#mayEnter(peer, raw),
      denyDialPeer: (peer) => !state.connecting() || state.outboundFull() || !gate.isMember(peer.toString()),
      denyDialMultiaddr: (address) => !this.#allowsAddress(ipOf(address)),
      denyOutboundEncryptedConnection: (peer) => !gate.isMember(peer.toString()),
    }
  }

  /** Whether a standing connection may stay. */
  allows(connection: Connection): boolean {
    if (!this.#allowsAddress(ipOf(connection.remoteAddr))) return false
    const peer = connection.remotePeer.toString()
    if (connection.direction === 'outbound') return this.#gate.isMember(peer)
    return this.#state.serving() && (this.#gate.isMember(peer) || this.mayKnock(peer))
  }

  mayKnock(peer: NodeId): boolean {
    return !this.#gate.isEvicted(peer) && this.#gate.inviteOpen()
  }

  /** For every protocol but the one to knock with: a stranger's stream reaches no handler. */
  membersOnly(handler: StreamHandler): StreamHandler {
    return (stream, connection) => {
      if (this.#gate.isMember(connection.remotePeer.toString())) return handler(stream, connection)
      stream.abort(new SkeinError('not-a-member', 'refused', 'not a member of this mesh'))
      return undefined
    }
  }

  #mayShakeHands(raw: MultiaddrConnection): boolean {
    const ip = ipOf(raw.remoteAddr)
    if (ip === undefined || !this.#state.serving() || this.#state.inboundFull()) return false
    if (!this.#gate.allowsAddress(ip)) return false
    const count = this.#handshakes.get(ip) ?? 0
    if (count >= meshLimits.handshakesPerAddressMax) return false
    this.#handshakes.set(ip, count + 1)
    // Until it is known who that is, or it is gone, whichever comes first.
    const over = () => {
      raw.removeEventListener('close', over)
      this.#handshakeOvers.delete(raw)
      const left = (this.#handshakes.get(ip) ?? 1) - 1
      if (left > 0) this.#handshakes.set(ip, left)
      else this.#handshakes.delete(ip)
    }
    this.#handshakeOvers.set(raw, over)
    raw.addEventListener('close', over)
    return true
  }

  #mayEnter(peer: PeerId, raw: MultiaddrConnection): boolean {
    this.#handshakeOvers.get(raw)?.()
    const id = peer.toString()
    if (this.#gate.isMember(id)) return true
    if (!this.mayKnock(id) || this.#strangers.size >= meshLimits.strangerConnectionsMax) return false
    this.#strangers.add(raw)
    raw.addEventListener('close', () => this.#strangers.delete(raw))
    return true
  }

  #allowsAddress(ip: string | undefined): boolean {
    return ip === undefined || this.#gate.allowsAddress(ip)
  }
}
