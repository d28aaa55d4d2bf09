// Where strangers knock: the one protocol that non-members reach, while an invite is open. One request, one answer, ten
// seconds, four at once; then the stranger is shown out, member by then or not.
import type { Connection, Stream } from '@libp2p/interface'
import type { MeshGate } from '@skein/replication'
import { SkeinError } from '@skein/runtime'
import type { Clock, Logger, NodeId } from '@skein/runtime'
import { Channel } from './channel.ts'
import { decodeJoin } from './control-message.ts'
import type { Door } from './door.ts'
import { ipOf } from './peer-address.ts'
import { factorProven } from './second-factor.ts'
import { meshLimits, wireLimits } from './settings.ts'
import type { SecondFactor } from './settings.ts'

export interface ReceptionComponents {
  self: NodeId
  gate: MeshGate
  door: Door
  clock: Clock
  logger: Logger
  secondFactor(): SecondFactor | null
}

export class Reception {
  readonly #with: ReceptionComponents
  #joinsOpen = 0

  constructor(components: ReceptionComponents) {
    this.#with = components
  }

  /** A stranger's connection: it may stay only as long as a knock takes. */
  admit(connection: Connection): void {
    const timer = this.#with.clock.setTimer(meshLimits.joinTimeoutMs, () => {
      connection.abort(new SkeinError('join-timeout', 'temporary', 'the stranger stayed too long'))
    })
    connection.addEventListener('close', () => timer.cancel())
  }

  onStream(stream: Stream, connection: Connection): void {
    const { clock, logger, door, gate } = this.#with
    const stranger = connection.remotePeer.toString()
    let asked = false
    const channel = new Channel({ clock, logger }, stream, {
      payloadBytesMax: wireLimits.joinRequestBytesMax,
      onViolation: (error) => connection.abort(error),
      handler: async (payload) => {
        // One knock a stream; the stranger learns nothing by asking again.
        if (asked) throw new SkeinError('join-once', 'refused', 'one request is enough')
        asked = true
        // A member knocks again when the answer to its first knock was lost.
        if (!gate.isMember(stranger) && !door.mayKnock(stranger))
          throw new SkeinError('invite-unknown', 'refused', 'no invite is open')
        if (this.#joinsOpen >= meshLimits.joinsAtOnceMax) {
          throw new SkeinError('join-busy', 'temporary', 'others are joining just now')
        }
        this.#joinsOpen += 1
        try {
          return await this.#join(stranger, connection, payload)
        } finally {
          this.#joinsOpen -= 1
        }
      },
    })
    const timer = clock.setTimer(meshLimits.joinTimeoutMs, () => {
      channel.abort(new SkeinError('join-timeout', 'temporary', 'the join took too long'))
    })
    stream.addEventListener('close', () => timer.cancel())
  }

  async #join(stranger: NodeId, connection: Connection, payload: Uint8Array): Promise<Uint8Array> {
    const { self, gate, logger } = this.#with
    const { request, factorProof } = decodeJoin(payload)
    const factor = this.#with.secondFactor()
    if (factor !== null && !(await factorProven(factor, stranger, self, factorProof))) {
      throw new SkeinError('second-factor-wrong', 'refused', 'the user name or password of the mesh is wrong')
    }
    const ip = ipOf(connection.remoteAddr) ?? ''
    const reply = await gate.acceptJoin(stranger, ip, request)
    logger.info({ peer: stranger, ip }, 'a stranger joined the mesh')
    return reply
  }
}
