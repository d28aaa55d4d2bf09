// The relay's side of a hand-over: takes letters that another node's address was refused for, sends them once that node lets
// them go, and tells it what came of them until it has taken note. Promises: on the disk before it says so; nothing is sent
// without the grant for exactly what was taken, asked for anew after each start; never handed on; never a notice to a sender.
import type { Directory, DirectoryEntry } from '@skein/accounts'
import { formatReceived, splitAddress } from '@skein/mail'
import type { BlobRef, MessageLog } from '@skein/mailboxes'
import { SkeinError, type Clock, type Logger, type NodeId, type PeerLink, type Timer } from '@skein/runtime'
import { newRecipient } from './bounce.ts'
import { ErrandAllowance } from './errand-allowance.ts'
import { ErrandUploads, otherSize } from './errand-uploads.ts'
import type { LetterKeeper } from './letter-keeper.ts'
import { ipOf } from './peer-receiver.ts'
import type { DeliveryLimits } from './limits.ts'
import type { Entrances, Errand, QueueId, QueueItem, QueueRecipient } from './ports.ts'
import type { Letter } from './queue.ts'
import {
  decodeRelayReply,
  encodeRelay,
  type RelayData,
  type RelayOffer,
  type RelayReply,
  type RelayRequest,
} from './relay-wire.ts'
import { resultsOf } from './relay-results.ts'
import { expandAddress, type RouteSettings } from './route.ts'
import type { TraceStep } from './trace.ts'

export interface ErrandDeskComponents {
  keeper: LetterKeeper
  link: PeerLink
  log: MessageLog
  directory: Directory
  /** Absent: a node hands over letters of those who live there, and no others. */
  entrances?: Entrances
  clock: Clock
  logger: Logger
  newId(): string
  /** Durable when it resolves. */
  enqueue(item: QueueItem, steps: readonly TraceStep[]): Promise<void>
  hurry(id: QueueId): void
  /** This node's own address is refused there too. */
  isShunned(domain: string): boolean
}

export interface ErrandDeskSettings {
  hostName: string
  limits: DeliveryLimits
  routes: RouteSettings
}

/** Without a word from the origin so long after it was told "staged", this node asks. */
const askAfterMs = 5_000
/** An alias may stand for many; so many of their homes are asked. */
const sendersAskedMax = 10
/** A letter that was never let go is dropped after so long: its origin has gone another way since. */
const ungrantedKeepMs = 24 * 3600_000

export class ErrandDesk {
  readonly #parts: ErrandDeskComponents
  readonly #settings: ErrandDeskSettings
  /** `<origin> <ticket>` to the letter here. */
  readonly #errands = new Map<string, QueueId>()
  readonly #taking = new Map<string, Promise<RelayReply>>()
  readonly #uploads: ErrandUploads
  readonly #telling = new Set<QueueId>()
  readonly #allowance: ErrandAllowance
  readonly #unsubscribe: (() => void)[] = []
  #timer: Timer | undefined
  #started = false

  constructor(components: ErrandDeskComponents, settings: ErrandDeskSettings) {
    this.#parts = components
    this.#settings = settings
    this.#uploads = new ErrandUploads(components, settings.limits)
    this.#allowance = new ErrandAllowance(components.clock, settings.limits.errandsPerPeerHourMax)
  }

  start(): void {
    const { keeper, link, directory } = this.#parts
    this.#started = true
    for (const { item } of keeper.letters()) {
      if (item.errand) this.#errands.set(keyOf(item.errand.origin, item.errand.ticket), item.id)
    }
    this.#unsubscribe.push(
      link.onPeerChange((peer, state) => {
        if (state === 'up') this.#goOn((errand) => errand.origin === peer)
      }),
      directory.onChange(() => this.#goOn((errand) => !directory.node(errand.origin))),
    )
    this.#goOn(() => true)
    this.#setTimer(this.#settings.limits.handOverAskMs)
  }

  async stop(): Promise<void> {
    this.#started = false
    this.#timer?.cancel()
    for (const unsubscribe of this.#unsubscribe.splice(0)) unsubscribe()
    await Promise.allSettled(this.#taking.values())
    await this.#uploads.stop()
  }

  /** Letters of other nodes that this one has. */
  get size(): number {
    return this.#errands.size
  }

  /** Of a letter that an operator asks about: whose is it. */
  answerOrigin(item: QueueItem): void {
    if (item.errand && this.#started) this.#tell(item.id, item.errand)
  }

  /** The letter is gone from the queue. */
  forget(errand: Errand): void {
    this.#errands.delete(keyOf(errand.origin, errand.ticket))
  }

  offer(from: NodeId, offer: RelayOffer): Promise<RelayReply> {
    const key = keyOf(from, offer.ticket)
    // The network may bring an offer twice, also while the first one is being written.
    const taking = this.#taking.get(key)
    if (taking) return taking
    const take = this.#take(from, key, offer).finally(() => this.#taking.delete(key))
    this.#taking.set(key, take)
    return take
  }

  async #take(from: NodeId, key: string, offer: RelayOffer): Promise<RelayReply> {
    const known = this.#letter(key)
    if (known) return { t: 'staged', stage: known.item.errand?.stage ?? '' }
    // Looked at again after the wait: others may have come meanwhile.
    const declined =
      this.#whyNot(from, offer) ?? (await this.#isNotTheirs(from, offer.from)) ?? this.#whyNot(from, offer)
    if (declined) return declined
    if (!offer.body) return this.#uploads.begin(key, offer)
    if (offer.body.length !== offer.size) throw otherSize()
    this.#allowance.spend(from)
    const blob = await this.#parts.log.append([this.#received(from, offer), offer.body])
    return this.#stage(from, key, offer, blob)
  }

  #letter(key: string): Letter | undefined {
    const id = this.#errands.get(key)
    return id === undefined ? undefined : this.#parts.keeper.get(id)
  }

  #whyNot(from: NodeId, offer: RelayOffer): RelayReply | undefined {
    const { directory, isShunned } = this.#parts
    const { limits } = this.#settings
    const self = directory.node(directory.self)
    const no = (code: number, status: string, text: string, again = false): RelayReply => {
      return { t: 'declined', code, status, text, again }
    }
    if (!this.#started) return no(450, '4.3.2', 'this node is stopping', true)
    if (!self?.enabled || !self.relay) return no(550, '5.7.1', 'this node sends nothing for others')
    if (offer.recipients.length === 0 || offer.recipients.length > limits.peerOfferRecipientsMax) {
      return no(550, '5.5.3', 'so many recipients are not taken in one offer')
    }
    if (offer.size > limits.messageBytesMax + limits.headerBytesMax) {
      return no(552, '5.3.4', 'the letter is larger than this node takes')
    }
    const domains = offer.recipients.map(({ address }) => splitAddress(address).domain)
    if (domains.some((domain) => directory.domain(domain))) return no(550, '5.7.1', 'that is a domain of the mesh')
    if (domains.some((domain) => isShunned(domain)))
      return no(550, '5.7.1', 'the address of this node is refused there too')
    let held = 0
    for (const key of this.#errands.keys()) if (key.startsWith(`${from} `)) held++
    for (const key of this.#uploads.keys()) if (key.startsWith(`${from} `)) held++
    if (held >= limits.errandsPerPeerMax) return no(451, '4.3.2', 'this node has enough letters of yours', true)
    if (!this.#allowance.has(from)) return no(451, '4.7.0', 'too many letters of yours in this hour', true)
    return undefined
  }

  /** A stolen node can send as those whom it homes, or who logged in there lately, and as nobody else. */
  async #isNotTheirs(from: NodeId, sender: string): Promise<RelayReply | undefined> {
    const { directory, entrances, logger } = this.#parts
    const senders = accountsOf(directory, sender, this.#settings.routes)
    if (senders.some(({ home }) => home === from)) return undefined
    let unknown = false
    for (const { accountId: id, home } of entrances ? senders.slice(0, sendersAskedMax) : []) {
      try {
        if (await entrances?.enteredAt({ id, home }, from)) return undefined
      } catch (error) {
        unknown = true
        logger.info({ origin: from, home, error: String(error) }, 'a home could not be asked where its user logged in')
      }
    }
    return unknown
      ? { t: 'declined', code: 451, status: '4.4.3', text: 'the home of the sender does not answer', again: true }
      : {
          t: 'declined',
          code: 550,
          status: '5.7.1',
          text: 'a node hands over letters of its own users only',
          again: false,
        }
  }

  /** One piece after the other; what came before is said again, what comes too early is refused. */
  async data(from: NodeId, { ticket, offset, bytes }: RelayData): Promise<RelayReply> {
    const key = keyOf(from, ticket)
    const known = this.#letter(key)
    if (known) return { t: 'staged', stage: known.item.errand?.stage ?? '' }
    const taking = this.#taking.get(key)
    if (taking) return taking
    return this.#uploads.take(key, offset, bytes, (offer, writer) => {
      this.#allowance.spend(from)
      const stage = async (): Promise<RelayReply> => {
        const blob = await writer.finish([this.#received(from, offer)])
        return this.#stage(from, key, offer, blob)
      }
      const take = stage().finally(() => this.#taking.delete(key))
      this.#taking.set(key, take)
      return take
    })
  }

  async #stage(from: NodeId, key: string, offer: RelayOffer, blob: BlobRef): Promise<RelayReply> {
    const { clock, newId, enqueue, directory, log } = this.#parts
    const nowMs = clock.nowMs()
    const stage = newId()
    const item: QueueItem = {
      id: newId(),
      from: offer.from,
      recipients: offer.recipients.map(({ index, address, options, forwardedFor }): QueueRecipient => {
        const recipient = newRecipient(index, address, address, nowMs, undefined, options)
        return { ...recipient, state: 'held', ...(forwardedFor !== undefined && { forwardedFor }) }
      }),
      blob,
      size: blob.length,
      messageId: offer.messageId,
      receivedMs: nowMs,
      source: { kind: 'peer', remoteAddress: '', node: from, accountId: null },
      smtpUtf8: offer.smtpUtf8,
      eightBit: offer.eightBit,
      ...(offer.options && { options: offer.options }),
      errand: { origin: from, ticket: offer.ticket, stage, letter: offer.letter },
    }
    const name = directory.node(from)?.name ?? from
    const detail = `${blob.length} bytes from ${name}, whose letter ${offer.letter} this is, ticket ${offer.ticket}`
    try {
      await enqueue(item, [{ what: 'accepted', recipient: '', detail }])
    } catch (error) {
      log.release(blob)
      throw error
    }
    this.#errands.set(key, item.id)
    this.#setTimer(askAfterMs)
    return { t: 'staged', stage }
  }

  #received(from: NodeId, offer: RelayOffer): Uint8Array {
    const { directory, clock } = this.#parts
    const node = directory.node(from)
    const only = offer.recipients.length === 1 ? offer.recipients[0] : undefined
    return Buffer.from(
      formatReceived({
        ...(node && { from: { helo: node.hostName, name: node.hostName, ip: ipOf(node.addresses) } }),
        by: this.#settings.hostName,
        protocol: 'SKEIN',
        id: offer.ticket,
        ...(only && { for: only.address }),
        dateMs: clock.nowMs(),
      }),
    )
  }

  /** The origin lets it go, and asks how it stands. */
  go(from: NodeId, ticket: string, stage: string, hurry: boolean): RelayReply {
    const { keeper, clock, hurry: tryNow } = this.#parts
    const letter = this.#letter(keyOf(from, ticket))
    if (!letter || letter.item.errand?.stage !== stage) return { t: 'state', state: 'unknown', results: [] }
    if (letter.phase === 'open') {
      keeper.apply(letter.item.id, { event: 'let-go', atMs: clock.nowMs(), hurry })
      if (hurry) tryNow(letter.item.id)
    }
    return this.#state(letter.item.id)
  }

  /** The origin wants it back. What a courier has in hand now is not stopped; its outcome is told. */
  async recall(from: NodeId, ticket: string, stage: string): Promise<RelayReply> {
    const letter = this.#letter(keyOf(from, ticket))
    if (!letter || letter.item.errand?.stage !== stage) return { t: 'state', state: 'unknown', results: [] }
    await this.#giveUp(letter.item.id)
    return this.#state(letter.item.id)
  }

  async #giveUp(id: QueueId): Promise<void> {
    const { keeper, clock } = this.#parts
    if (keeper.get(id)?.phase !== 'open') return
    await keeper.applyDurably(id, { event: 'cancel', atMs: clock.nowMs(), silent: true })
  }

  #state(id: QueueId): RelayReply {
    const letter = this.#parts.keeper.get(id)
    if (!letter) return { t: 'state', state: 'unknown', results: [] }
    // Only what is on the disk is told: this node must say the same after a crash.
    if (letter.phase === 'open' || !this.#telling.has(id)) return { t: 'state', state: 'working', results: [] }
    return { t: 'state', state: 'done', results: resultsOf(letter.item) }
  }

  #goOn(wanted: (errand: Errand) => boolean): void {
    const { keeper } = this.#parts
    for (const id of this.#errands.values()) {
      const letter = keeper.get(id)
      const errand = letter?.item.errand
      if (!letter || !errand || !wanted(errand)) continue
      if (letter.phase === 'reporting') this.#tell(id, errand)
      else if (letter.phase === 'open' && letter.item.recipients.some((it) => it.state === 'held')) {
        void this.#ask(id, errand, letter.item.receivedMs).catch((error: unknown) => {
          this.#parts.logger.warn({ err: error, queueId: id }, 'a peer could not be asked about its letter')
        })
      }
    }
  }

  async #ask(id: QueueId, { origin, ticket, stage }: Errand, receivedMs: number): Promise<void> {
    const { keeper, clock, directory, link } = this.#parts
    const isTooOld = clock.nowMs() - receivedMs > ungrantedKeepMs
    if (isTooOld || !directory.node(origin)) return this.#giveUp(id)
    if (!link.connected().includes(origin)) return
    const reply = await this.#request(origin, { t: 'ask', ticket, stage })
    if (reply?.t !== 'word' || !keeper.get(id)) return
    if (reply.word === 'go') keeper.apply(id, { event: 'let-go', atMs: clock.nowMs() })
    // It has gone another way, or was taken out of the queue.
    else if (reply.word === 'void') await this.#giveUp(id)
  }

  #tell(id: QueueId, errand: Errand): void {
    const { keeper, directory, link, logger } = this.#parts
    this.#telling.add(id)
    const tell = async (): Promise<void> => {
      const letter = keeper.get(id)
      if (letter?.phase !== 'reporting' || !this.#started) return
      if (directory.node(errand.origin)) {
        if (!link.connected().includes(errand.origin)) return
        const { origin, ticket, stage } = errand
        const reply = await this.#request(origin, { t: 'outcome', ticket, stage, results: resultsOf(letter.item) })
        if (reply?.t !== 'noted') return
      }
      if (keeper.get(id)?.phase !== 'reporting') return
      this.#telling.delete(id)
      keeper.apply(id, { event: 'origin-knows' })
    }
    void tell().catch((error: unknown) => logger.error({ err: error, queueId: id }, 'an outcome could not be told'))
    this.#setTimer(this.#settings.limits.handOverAskMs)
  }

  #setTimer(delayMs: number): void {
    if (!this.#started || this.#errands.size === 0) return
    if (this.#timer && delayMs > askAfterMs) return
    this.#timer?.cancel()
    this.#timer = this.#parts.clock.setTimer(delayMs, () => {
      this.#timer = undefined
      this.#goOn(() => true)
      this.#setTimer(this.#settings.limits.handOverAskMs)
    })
  }

  /** Undefined where no answer came: it is asked again when the line is back, or by the clock. */
  async #request(to: NodeId, message: RelayRequest): Promise<RelayReply | undefined> {
    try {
      return decodeRelayReply(await this.#parts.link.request(to, 'relay', encodeRelay(message)))
    } catch (error) {
      if (error instanceof SkeinError) return undefined
      throw error
    }
  }
}

/** May that node speak for the sender: does one of its users stand behind the address? */
/** Whoever may be meant by an envelope sender. */
export function accountsOf(directory: Directory, from: string, routes: RouteSettings): DirectoryEntry[] {
  if (from === '') return []
  return expandAddress(directory, from, routes).targets.flatMap((address) => {
    const { local, domain } = splitAddress(address)
    const base = local.split('+', 1)[0] ?? local
    return directory.lookup(address) ?? directory.lookup(`${base}@${domain}`) ?? []
  })
}

function keyOf(origin: NodeId, ticket: string): string {
  return `${origin} ${ticket}`
}
