// Streams of bytes between the nodes of a simulated network: without delay and without loss, but cut with the line that they
// go over. Fills PeerStreams, so that what is carried between nodes can be tested in one process.
import { duplexPair } from 'node:stream'
import {
  peerStreamLimits,
  SkeinError,
  type Clock,
  type NodeId,
  type PeerStream,
  type PeerStreamHandler,
  type PeerStreamService,
} from '@skein/runtime'

const unreachable = (text: string) => new SkeinError('peer-unreachable', 'temporary', text)

/** One node's, for one of its lives. */
export class SimulatedStreams {
  readonly #self: NodeId
  readonly #clock: Clock
  readonly #handlers = new Map<PeerStreamService, PeerStreamHandler>()
  /** This node's ends, with the node at the other. */
  readonly #ends = new Map<PeerStream, NodeId>()

  constructor(self: NodeId, clock: Clock) {
    this.#self = self
    this.#clock = clock
  }

  handle(service: PeerStreamService, handler: PeerStreamHandler): void {
    this.#handlers.set(service, handler)
  }

  async open(
    to: SimulatedStreams | undefined,
    service: PeerStreamService,
    header: Uint8Array,
    options: { timeoutMs?: number } = {},
  ): Promise<PeerStream> {
    if (header.length > peerStreamLimits.headerBytesMax) {
      throw new SkeinError('payload-too-big', 'refused', 'the header is longer than the mesh carries')
    }
    if (to === undefined) throw unreachable('that node is not connected')
    const handler = to.#handlers.get(service)
    if (!handler) throw new SkeinError('peer-not-serving', 'temporary', `nothing answers ${service} here yet`)
    const [here, there] = duplexPair({ highWaterMark: 64 * 1024 })
    this.#keep(here, to.#self, there)
    to.#keep(there, this.#self, here)
    const late = Promise.withResolvers<never>()
    const timer = this.#clock.setTimer(options.timeoutMs ?? peerStreamLimits.openTimeoutMs, () => {
      here.destroy(unreachable('the peer did not answer in time'))
    })
    here.once('close', () => late.reject(here.errored ?? unreachable('the line was cut')))
    const decision = handler(this.#self, Uint8Array.from(header)).then((take) => take(there))
    try {
      await Promise.race([decision, late.promise])
      return here
    } catch (error) {
      here.destroy()
      there.destroy()
      throw error instanceof SkeinError ? error : new SkeinError('internal-error', 'temporary', 'internal error')
    } finally {
      timer.cancel()
    }
  }

  lose(peer: NodeId): void {
    for (const [end, other] of this.#ends) if (other === peer) end.destroy(unreachable('the connection broke'))
  }

  close(): void {
    for (const end of this.#ends.keys()) end.destroy(unreachable('the node is gone'))
  }

  #keep(end: PeerStream, other: NodeId, otherEnd: PeerStream): void {
    this.#ends.set(end, other)
    end.on('error', () => {})
    end._destroy = (error, callback) => {
      this.#ends.delete(end)
      const isOver = error === null && end.readableEnded && end.writableFinished
      const told = error instanceof SkeinError ? error : new SkeinError('stream-closed', 'temporary', 'closed')
      if (!isOver) otherEnd.destroy(told)
      callback(error)
    }
  }
}
