// One libp2p connection with a member: the greeting, then one stream for each service and direction, opened when first
// needed. Says `greeted` once both sides accepted each other's HELLO; a connection that fails to get there is closed.
import type { Connection, Stream } from '@libp2p/interface'
import { SkeinError } from '@skein/runtime'
import type { Clock, Logger, NodeId, PeerStream, PeerStreamService, Timer } from '@skein/runtime'
import type { MeshGate } from '@skein/replication'
import { Channel } from './channel.ts'
import type { ChannelSettings } from './channel.ts'
import { decodeControl, decodeGreeting, encodeGreeting, encodeSignal } from './control-message.ts'
import type { ControlMessage, Greeting } from './control-message.ts'
import { unreachable } from './failure.ts'
import type { RequestHandler } from './incoming-requests.ts'
import { factorProven, proveFactor } from './second-factor.ts'
import { ServiceChannels } from './service-channels.ts'
import { helloProtocol, meshLimits, protocolPrefix } from './settings.ts'
import type { RequestService, SecondFactor } from './settings.ts'

export interface ConnectionHost {
  readonly self: NodeId
  readonly session: Uint8Array
  readonly gate: MeshGate
  readonly clock: Clock
  readonly logger: Logger
  secondFactor(): SecondFactor | null
  suspectAfterMs(): number
  handle(service: RequestService, from: NodeId, payload: Uint8Array): Promise<Uint8Array>
  handleStream(service: PeerStreamService, from: NodeId, header: Uint8Array): Promise<(stream: PeerStream) => void>
  onGreeted(connection: PeerConnection): void
  onRetired(connection: PeerConnection): void
  onClosed(connection: PeerConnection): void
}

type State = 'new' | 'greeted' | 'retired' | 'closed'

const nothing = new Uint8Array(0)

export class PeerConnection {
  readonly peer: NodeId
  readonly outbound: boolean
  readonly openedMs: number
  /** Resolves when the peer is greeted; rejects with why it never was. */
  readonly greeted: Promise<void>
  readonly #greeting = Promise.withResolvers<void>()
  readonly #connection: Connection
  readonly #host: ConnectionHost
  readonly #services: ServiceChannels
  /** All that live, those the peer opened included. */
  readonly #open = new Set<Channel>()
  #control: Channel | undefined
  #state: State = 'new'
  #remoteSession: string | undefined
  #helloAccepted = false
  #timer: Timer
  #tickDueMs = 0
  #lastSeenMs: number
  #lastSeenWallMs: number
  #rttMs: number | undefined

  constructor(host: ConnectionHost, connection: Connection) {
    this.#host = host
    this.#connection = connection
    this.peer = connection.remotePeer.toString()
    this.outbound = connection.direction === 'outbound'
    this.openedMs = host.clock.nowMs()
    this.#lastSeenMs = host.clock.monotonicMs()
    this.#lastSeenWallMs = this.openedMs
    this.#services = new ServiceChannels({
      newStream: (service) =>
        connection.newStream(protocolPrefix + service, {
          signal: AbortSignal.timeout(meshLimits.greetTimeoutMs),
          maxOutboundStreams: meshLimits.serviceStreamsMax,
        }),
      addChannel: (stream) => this.#addChannel(stream, noRequests),
    })
    this.greeted = this.#greeting.promise
    // Nobody may be waiting for it.
    this.greeted.catch(() => {})
    this.#timer = host.clock.setTimer(meshLimits.greetTimeoutMs, () => {
      this.abort(unreachable('the greeting took too long'))
    })
    connection.addEventListener('close', () => this.#closed(unreachable('the connection to the peer was lost')))
  }

  get usable(): boolean {
    return this.#state === 'greeted'
  }

  get standing(): boolean {
    return this.#state === 'greeted' || this.#state === 'retired'
  }

  get remoteSession(): string | undefined {
    return this.#remoteSession
  }

  get address(): string {
    return this.#connection.remoteAddr.toString()
  }

  /** libp2p streams in either direction, the hello stream included. */
  get streams(): number {
    return this.#open.size
  }

  /** Of bytes, in either direction. */
  get byteStreams(): number {
    let count = 0
    for (const channel of this.#open) count += channel.streams
    return count
  }

  get rttMs(): number | undefined {
    return this.#rttMs
  }

  get lastSeenMs(): number {
    return this.#lastSeenWallMs
  }

  /** The dialler's side of the greeting: HELLO, HELLO back, READY. */
  async greet(): Promise<void> {
    const { gate } = this.#host
    try {
      const signal = AbortSignal.timeout(meshLimits.greetTimeoutMs)
      const control = this.#addChannel(await this.#connection.newStream(helloProtocol, { signal }), this.#onControl)
      this.#control = control
      const answer = await control.request(encodeGreeting(await this.#ownGreeting()), meshLimits.greetTimeoutMs)
      const greeting = decodeGreeting(answer)
      await this.#checkFactor(greeting)
      await gate.acceptHello(this.peer, greeting.hello)
      this.#remoteSession = Buffer.from(greeting.session).toString('hex')
      await control.request(encodeSignal('ready'), meshLimits.greetTimeoutMs)
      this.#becomeGreeted()
    } catch (error) {
      this.abort(error instanceof SkeinError ? error : unreachable('the peer refused the connection', error))
    }
  }

  /** The listener's side: the peer opened its hello stream. */
  acceptControl(stream: Stream): void {
    if (this.outbound || this.#control !== undefined || this.#state === 'closed') {
      stream.abort(new SkeinError('bad-control-message', 'refused', 'no greeting is expected here'))
      return
    }
    this.#control = this.#addChannel(stream, this.#onControl)
  }

  /** The peer opened a stream to ask for `service`. */
  acceptService(service: RequestService, stream: Stream): void {
    if (!this.standing) {
      stream.abort(new SkeinError('not-greeted', 'refused', 'greet first'))
      return
    }
    this.#addChannel(stream, (payload) => this.#host.handle(service, this.peer, payload))
  }

  /** The peer opened a stream of ours on which it will open its streams of bytes. */
  acceptStreams(service: PeerStreamService, stream: Stream): void {
    if (!this.standing) {
      stream.abort(new SkeinError('not-greeted', 'refused', 'greet first'))
      return
    }
    this.#addChannel(stream, noRequests, {
      openHandler: (header) => this.#host.handleStream(service, this.peer, header),
    })
  }

  request(service: RequestService, payload: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    return this.#services.request(service, payload, timeoutMs)
  }

  openStream(service: PeerStreamService, header: Uint8Array, timeoutMs: number): Promise<PeerStream> {
    return this.#services.openStream(service, header, timeoutMs)
  }

  /** Runs libp2p's identify once, on the side that dialled and on the other alike. */
  identify(run: (connection: Connection) => Promise<unknown> | undefined): void {
    run(this.#connection)?.catch((error: unknown) => {
      this.#host.logger.debug({ peer: this.peer, err: error }, 'identify failed')
    })
  }

  /** Milliseconds of one round trip; rejects when it takes longer than `withinMs`. */
  probe(withinMs: number): Promise<number> {
    const control = this.#control
    if (control === undefined || !this.standing) return Promise.reject(unreachable('not connected'))
    return new Promise((resolve, reject) => {
      const timer = this.#host.clock.setTimer(withinMs, () => reject(unreachable('no answer to a ping')))
      void control.ping().then((rttMs) => {
        timer.cancel()
        resolve(rttMs)
      })
    })
  }

  /** Both sides stop asking here, let what runs end, then the connection goes; streams of bytes are given longer. */
  async retire(): Promise<void> {
    if (this.#state !== 'greeted') return
    this.#becomeRetired()
    try {
      await this.#control?.request(encodeSignal('retire'), meshLimits.retireTimeoutMs)
      await this.#becomeIdle()
      await this.#outliveStreams()
    } catch (error) {
      this.abort(unreachable('the connection was replaced', error))
      return
    }
    await this.close()
  }

  async close(): Promise<void> {
    const connection = this.#connection
    this.#closed(unreachable('the connection to the peer was closed'))
    await connection.close().catch((error: Error) => connection.abort(error))
  }

  /** At once; what waits for an answer fails with `because`. */
  abort(because: SkeinError): void {
    this.#closed(because)
    if (this.#connection.status !== 'closed') this.#connection.abort(because)
  }

  #addChannel(stream: Stream, handler: RequestHandler, more: Pick<ChannelSettings, 'openHandler'> = {}): Channel {
    const { clock, logger } = this.#host
    const channel = new Channel({ clock, logger }, stream, {
      handler,
      ...more,
      onReceived: () => {
        this.#lastSeenMs = clock.monotonicMs()
        this.#lastSeenWallMs = clock.nowMs()
      },
      onViolation: (error) => {
        logger.warn({ peer: this.peer, code: error.code, text: error.message }, 'a peer broke the mesh protocol')
        this.abort(error)
      },
      onClose: () => {
        this.#open.delete(channel)
        // Without its hello stream a connection can neither be watched nor retired.
        if (channel === this.#control && this.#state !== 'closed')
          this.abort(unreachable('the peer closed its hello stream'))
      },
    })
    this.#open.add(channel)
    return channel
  }

  readonly #onControl: RequestHandler = async (payload) => {
    const message = decodeControl(payload)
    if (message.kind === 'hello') return this.#answerHello(message)
    if (message.kind === 'ready') {
      if (!this.#helloAccepted) throw new SkeinError('not-greeted', 'refused', 'greet first')
      this.#becomeGreeted()
    } else {
      this.#becomeRetired()
      await this.#becomeIdle()
    }
    return nothing
  }

  async #answerHello({ greeting }: ControlMessage & { kind: 'hello' }): Promise<Uint8Array> {
    if (this.outbound || this.#state !== 'new' || this.#remoteSession !== undefined) {
      throw new SkeinError('bad-control-message', 'refused', 'no greeting is expected here')
    }
    this.#remoteSession = Buffer.from(greeting.session).toString('hex')
    try {
      await this.#checkFactor(greeting)
      await this.#host.gate.acceptHello(this.peer, greeting.hello)
      const own = encodeGreeting(await this.#ownGreeting())
      this.#helloAccepted = true
      return own
    } catch (error) {
      // The dialler closes when it reads why; one that does not is closed by us.
      this.#timer.cancel()
      this.#timer = this.#host.clock.setTimer(refusalLingersMs, () => this.abort(refusalOf(error)))
      throw error
    }
  }

  async #ownGreeting(): Promise<Greeting> {
    const { gate, session, self } = this.#host
    const factor = this.#host.secondFactor()
    return {
      session,
      hello: gate.helloFor(this.peer),
      ...(factor === null ? {} : { factorProof: await proveFactor(factor, self, this.peer) }),
    }
  }

  async #checkFactor(greeting: Greeting): Promise<void> {
    const factor = this.#host.secondFactor()
    if (factor === null) return
    if (await factorProven(factor, this.peer, this.#host.self, greeting.factorProof)) return
    throw new SkeinError('second-factor-wrong', 'refused', 'the user name or password of the mesh is wrong')
  }

  #becomeGreeted(): void {
    if (this.#state !== 'new') return
    // The gate may have changed while the ledger read the HELLO.
    if (!this.#host.gate.isMember(this.peer)) {
      this.abort(new SkeinError('not-a-member', 'refused', 'not a member of this mesh'))
      return
    }
    this.#state = 'greeted'
    this.#timer.cancel()
    this.#tickDueMs = this.#host.clock.monotonicMs()
    this.#tick()
    this.#greeting.resolve()
    this.#host.onGreeted(this)
  }

  #becomeRetired(): void {
    if (this.#state !== 'greeted') return
    this.#state = 'retired'
    this.#host.onRetired(this)
  }

  /** A connection retires about once in its life. The control stream's own request does not count. */
  #becomeIdle(): Promise<void> {
    return this.#poll(meshLimits.retireTimeoutMs, idlePollMs, () => {
      const idle = [...this.#open].every((channel) => channel === this.#control || channel.idle)
      return idle && this.#services.asking === 0
    })
  }

  async #poll(atMostMs: number, everyMs: number, isOver: () => boolean): Promise<void> {
    const { clock } = this.#host
    const untilMs = clock.monotonicMs() + atMostMs
    while (this.#state === 'retired' && clock.monotonicMs() < untilMs && !isOver()) {
      await new Promise<void>((resolve) => {
        clock.setTimer(everyMs, resolve)
      })
    }
  }

  /** Neither side opens any here now, so there are only fewer. */
  #outliveStreams(): Promise<void> {
    return this.#poll(meshLimits.retiredStreamsTimeoutMs, streamsPollMs, () => this.byteStreams === 0)
  }

  #scheduleTick(): void {
    const { clock } = this.#host
    this.#tickDueMs = clock.monotonicMs() + meshLimits.heartbeatMs
    this.#timer = clock.setTimer(meshLimits.heartbeatMs, () => this.#tick())
  }

  #tick(): void {
    const nowMs = this.#host.clock.monotonicMs()
    // This node itself stood still: what the peer said meanwhile is not read yet.
    const stalled = nowMs - this.#tickDueMs > meshLimits.heartbeatMs
    if (!stalled && nowMs - this.#lastSeenMs > this.#host.suspectAfterMs()) {
      this.abort(unreachable('the peer is silent'))
      return
    }
    void this.#control?.ping().then((rttMs) => {
      this.#rttMs = this.#rttMs === undefined ? rttMs : this.#rttMs * 0.75 + rttMs * 0.25
    })
    for (const channel of this.#open) {
      if (nowMs - (channel.partialSinceMs ?? nowMs) > meshLimits.frameTimeoutMs) {
        this.abort(new SkeinError('bad-frame', 'refused', 'a frame did not end in time'))
        return
      }
      if (nowMs - channel.lastSentMs > meshLimits.streamHeartbeatMs - meshLimits.heartbeatMs) void channel.ping()
    }
    this.#scheduleTick()
  }

  #closed(because: SkeinError): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#timer.cancel()
    for (const channel of this.#open) channel.abort(because)
    this.#open.clear()
    this.#services.close()
    this.#greeting.reject(because)
    this.#host.onClosed(this)
  }
}

function refusalOf(error: unknown): SkeinError {
  return error instanceof SkeinError ? error : unreachable('the greeting failed', error)
}

const noRequests: RequestHandler = () =>
  Promise.reject(new SkeinError('wrong-direction', 'refused', 'ask on a stream of your own'))

const refusalLingersMs = 1_000
const idlePollMs = 20
const streamsPollMs = 500
