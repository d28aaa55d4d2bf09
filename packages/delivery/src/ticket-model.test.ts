// The ticket's rules alone, without desks, disks or lines: the two pure machines and a network that loses, repeats and reorders,
// either side ending at any moment. Each rule that is switched off must be missed by some seed.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createSeededRandom, type SeededRandom } from '@skein/testkit'
import { newRecipient } from './bounce.ts'
import { wordFor } from './hand-over-desk.ts'
import type { DeliveryResult, HandOver, QueueItem } from './ports.ts'
import { plainItem } from './queue-item-fixture.ts'
import { next, openLetter, type Letter, type LetterEffect, type LetterEvent } from './queue.ts'

type Rule =
  /** The grant is on the disk before it is said. */
  | 'grant-written-first'
  /** A grant is for one stage. */
  | 'grant-names-stage'
  /** After a start a relay asks before it sends. */
  | 'asks-after-start'
  /** What came of a letter is on the disk before it is noted. */
  | 'outcome-written-first'
  /** With the grant given, silence does not bring the letter back. */
  | 'grant-is-kept'

const limits = { queueLifetimeMs: 1e12, delayNoticeAfterMs: 1e12, errandKeepMs: 1e12 }
const relays = ['hk', 'tw'] as const
type Relay = (typeof relays)[number]

type Message = { ticket: string; relay: Relay; stage: string } & (
  | { t: 'offer' | 'staged' | 'go' | 'ask' | 'noted' }
  | { t: 'word'; word: 'go' | 'wait' | 'void' }
  | { t: 'state'; state: 'working' | 'unknown' }
  | { t: 'outcome'; end: 'delivered' | 'failed' | 'recalled' }
)

const refusal: DeliveryResult = {
  atMs: 0,
  kind: 'permanent',
  code: 554,
  status: '5.7.1',
  text: 'blocked',
  courier: 'outside',
  hop: 'mx',
}
const success: DeliveryResult = { ...refusal, kind: 'delivered', code: 250, status: '2.0.0', text: 'taken' }

/** One letter at one node: what is on the disk, what the process knows, and what is still to be done. */
class Place {
  durable: QueueItem | undefined
  letter: Letter | undefined
  effects: LetterEffect[] = []
  onStored: (() => void)[] = []
  reports = 0
  isTold = false

  apply(event: LetterEvent): void {
    if (!this.letter) return
    const step = next(this.letter, event, limits)
    this.letter = step.letter
    this.effects.push(...step.effects.filter((it) => it.effect !== 'trace'))
  }

  open(item: QueueItem): void {
    const { letter, effects } = openLetter(item)
    this.letter = letter
    this.effects = effects.filter((it) => it.effect !== 'trace')
  }

  get isStored(): boolean {
    return !this.effects.some((it) => it.effect === 'store')
  }

  /** One effect after the other reaches the disk. */
  flush(): void {
    const effect = this.effects.shift()
    if (effect?.effect === 'store') this.durable = structuredClone(this.letter?.item)
    if (effect?.effect === 'close') this.durable = this.letter = undefined
    if (effect?.effect === 'answer-origin') this.isTold = true
    if (effect?.effect === 'report') {
      this.reports++
      this.apply({ event: 'reported', kind: effect.kind, indexes: effect.indexes })
    }
    if (this.isStored) for (const act of this.onStored.splice(0)) act()
  }

  crash(): void {
    this.letter = undefined
    this.effects = []
    this.onStored = []
    this.isTold = false
  }
}

class Model {
  readonly random: SeededRandom
  readonly off: Rule | undefined
  readonly origin = new Place()
  readonly errands = new Map<string, Place & { relay?: Relay }>()
  readonly takes: Record<Relay, boolean>
  network: Message[] = []
  sent = 0
  lost = 0
  faults = 12
  #names = 0

  constructor(seed: number, off?: Rule) {
    this.random = createSeededRandom(seed)
    this.off = off
    this.takes = { hk: this.random.chance(0.5), tw: this.random.chance(0.8) }
    const recipient = newRecipient(0, 'x@example.org', 'x@example.org', 0)
    const refused = { ...recipient, lastResult: refusal, refusedWays: [{ node: 'bj', result: refusal }] }
    const item = plainItem([refused], {
      from: 'aaa@test.com',
      source: { kind: 'submission', remoteAddress: '', node: 'bj', accountId: null },
    })
    this.origin.durable = item
    this.origin.open(structuredClone(item))
  }

  rule(rule: Rule): boolean {
    return this.off !== rule
  }

  say(message: Message): void {
    this.network.push(message)
  }

  get handOver(): HandOver | undefined {
    const recipient = this.origin.letter?.item.recipients[0]
    return recipient?.state === 'handed-over' ? recipient.handOver : undefined
  }

  /** The origin's own moves. */
  originMoves(): (() => void)[] {
    const { origin, handOver } = this
    const recipient = origin.letter?.item.recipients[0]
    if (origin.letter?.phase !== 'open' || !recipient) return []
    if (recipient.state === 'pending') return [() => this.choose()]
    if (!handOver || !origin.isStored) return []
    const { ticket, phase, stage = '', node } = handOver
    const moves: (() => void)[] = []
    if (phase === 'granted') moves.push(() => this.say({ t: 'go', ticket, stage, relay: node as Relay }))
    const isSilent = phase === 'offered' || !this.rule('grant-is-kept')
    if (isSilent && this.faults > 0) {
      moves.push(() => {
        this.faults--
        if (phase === 'offered') this.backUntaken(ticket)
        else this.back(ticket, refusal)
      })
    }
    return moves
  }

  choose(): void {
    const tried = this.origin.letter?.item.recipients[0]?.refusedWays ?? []
    const relay = relays.find((it) => !tried.some(({ node }) => node === it))
    if (!relay) {
      return this.origin.apply({ event: 'no-way', atMs: 0, indexes: [0], self: 'bj', retryAtMs: 0 })
    }
    const ticket = `t${this.#names++}`
    this.origin.apply({ event: 'offered', atMs: 0, indexes: [0], node: relay, ticket, why: '' })
    this.origin.onStored.push(() => this.say({ t: 'offer', ticket, stage: '', relay }))
  }

  backUntaken(ticket: string): void {
    this.origin.apply({ event: 'not-taken', atMs: 0, ticket, result: refusal, refused: false })
  }

  back(ticket: string, result: DeliveryResult): void {
    const node = this.handOver?.node ?? ''
    const way = result.kind === 'delivered' ? {} : { refusedWay: node }
    this.origin.apply({ event: 'relayed', atMs: 0, ticket, outcomes: [{ index: 0, result, retryAtMs: 0, ...way }] })
  }

  relayMoves(ticket: string, place: Place & { relay?: Relay }): (() => void)[] {
    const { letter, relay } = place
    const errand = letter?.item.errand
    if (!letter || !errand || !relay || !place.isStored) return []
    const { stage } = errand
    const state = letter.item.recipients[0]?.state
    if (letter.phase === 'reporting') {
      const end = state === 'delivered' ? 'delivered' : state === 'cancelled' ? 'recalled' : 'failed'
      return place.isTold ? [() => this.say({ t: 'outcome', ticket, stage, relay, end })] : []
    }
    if (state === 'held') return [() => this.say({ t: 'ask', ticket, stage, relay })]
    if (letter.phase !== 'open' || state !== 'pending') return []
    return [
      () => {
        place.apply({ event: 'started', indexes: [0] })
        const result = this.takes[relay] ? success : refusal
        if (this.takes[relay]) this.sent++
        const outcomes = [{ index: 0, result, retryAtMs: 0, ...(this.takes[relay] ? {} : { final: true }) }]
        place.apply({ event: 'attempted', atMs: 0, outcomes })
        // SMTP's own window, in which nothing helps, is not the matter here.
        while (!place.isStored) place.flush()
      },
    ]
  }

  /** A message arrives; whoever is down hears nothing. */
  receive(message: Message): void {
    const { t, ticket, stage, relay } = message
    const toRelay = t === 'offer' || t === 'go' || t === 'word' || t === 'noted'
    if (toRelay) return this.atRelay(message)
    const { origin, handOver } = this
    if (!origin.letter && origin.durable) return
    const isMine = handOver?.ticket === ticket
    if (t === 'ask') {
      const isOnDisk = origin.isStored || !this.rule('grant-written-first')
      this.say({ t: 'word', ticket, stage, relay, word: wordFor(isMine ? handOver : undefined, stage, isOnDisk) })
    } else if (t === 'staged' && isMine && handOver?.phase === 'offered' && origin.isStored) {
      origin.apply({ event: 'granted', ticket, stage })
      const go = () => this.say({ t: 'go', ticket, stage, relay })
      if (this.rule('grant-written-first')) origin.onStored.push(go)
      else go()
    } else if (t === 'state' && message.state === 'unknown' && isMine && handOver?.stage === stage) {
      this.lost++
      this.back(ticket, refusal)
    } else if (t === 'outcome') {
      if (isMine && handOver?.phase === 'granted' && handOver.stage === stage) {
        this.back(ticket, message.end === 'delivered' ? success : refusal)
      }
      const noted = () => this.say({ t: 'noted', ticket, stage, relay })
      if (origin.isStored || !this.rule('outcome-written-first')) noted()
      else origin.onStored.push(noted)
    }
  }

  atRelay(message: Message): void {
    const { t, ticket, stage, relay } = message
    const place = this.errands.get(ticket)
    const errand = place?.letter?.item.errand
    if (t === 'offer') {
      if (!place?.letter && !place?.durable) this.stage(ticket, relay)
      else if (errand && place.isStored) this.say({ t: 'staged', ticket, relay, stage: errand.stage })
    } else if (!errand || !place) {
      if (t === 'go' && !place?.durable) this.say({ t: 'state', ticket, stage, relay, state: 'unknown' })
    } else if (t === 'go' || (t === 'word' && message.word === 'go')) {
      const isFor = errand.stage === stage || !this.rule('grant-names-stage')
      if (isFor) place.apply({ event: 'let-go', atMs: 0 })
      if (t === 'go') this.say({ t: 'state', ticket, stage, relay, state: isFor ? 'working' : 'unknown' })
    } else if (t === 'word' && message.word === 'void' && errand.stage === stage) {
      place.apply({ event: 'cancel', atMs: 0, silent: true })
    } else if (t === 'noted' && errand.stage === stage && place.isTold) place.apply({ event: 'origin-knows' })
  }

  stage(ticket: string, relay: Relay): void {
    const place: Place & { relay?: Relay } = Object.assign(new Place(), { relay })
    const stage = `s${this.#names++}`
    const recipient = { ...newRecipient(0, 'x@example.org', 'x@example.org', 0), state: 'held' as const }
    place.open({
      ...(structuredClone(this.origin.durable) as QueueItem),
      id: `01JD00000000000000000${stage.padStart(5, '0')}`,
      recipients: [recipient],
      errand: { origin: 'bj', ticket, stage, letter: '' },
    })
    place.effects.push({ effect: 'store' })
    place.onStored.push(() => this.say({ t: 'staged', ticket, relay, stage }))
    this.errands.set(ticket, place)
  }

  restart(place: Place & { relay?: Relay }): void {
    if (place.letter || !place.durable) return
    place.open(structuredClone(place.durable))
    if (place !== this.origin) {
      if (!this.rule('asks-after-start')) place.apply({ event: 'let-go', atMs: 0 })
      return
    }
    // Without a grant nobody has sent.
    const { handOver } = this
    if (handOver?.phase === 'offered') this.backUntaken(handOver.ticket)
  }

  /** One thing happens. */
  step(): void {
    const { random } = this
    const places = [this.origin, ...this.errands.values()]
    const dice = random.next()
    if (dice < 0.35) random.pick(places).flush()
    else if (dice < 0.7 && this.network.length > 0) {
      // The newest first, mostly: what was said long ago comes when it is least expected.
      const at = this.network.length - 1 - Math.floor(random.next() ** 3 * this.network.length)
      const message = this.network[at] as Message
      const isFault = this.faults > 0 && random.chance(0.25)
      if (isFault) this.faults--
      // Lost, or come and coming again, or come.
      if (!isFault || random.chance(0.8)) this.receive(message)
      if (!isFault || random.chance(0.2)) this.network.splice(at, 1)
    } else if (dice < 0.74 && this.faults > 0) {
      const place = random.pick(places)
      if (place.letter) this.faults--
      place.crash()
    } else if (dice < 0.86) for (const place of places) this.restart(place)
    else this.move()
  }

  move(): void {
    const moves = [...this.originMoves(), ...[...this.errands].flatMap(([ticket, it]) => this.relayMoves(ticket, it))]
    if (moves.length > 0) this.random.pick(moves)()
  }

  /** Nothing goes wrong any more, and everything is carried to its end. */
  calm(): void {
    this.faults = 0
    for (let round = 0; round < 150; round++) {
      for (const place of [this.origin, ...this.errands.values()]) {
        this.restart(place)
        while (place.effects.length > 0) place.flush()
      }
      for (const message of this.network.splice(0)) this.receive(message)
      for (const move of this.originMoves()) move()
      for (const [ticket, place] of this.errands) for (const move of this.relayMoves(ticket, place)) move()
      // An offer that nobody heard.
      if (round % 10 === 9 && this.handOver?.phase === 'offered') this.backUntaken(this.handOver.ticket)
    }
  }
}

/** What is wrong at the end of a run; undefined: nothing. */
function run(seed: number, off?: Rule): string | undefined {
  const model = new Model(seed, off)
  for (let i = 0; i < 250; i++) model.step()
  model.calm()
  const { origin, sent, takes, lost } = model
  if (sent > 1) return `sent ${sent} times`
  if (origin.durable || origin.letter) return 'the origin still has the letter'
  if ([...model.errands.values()].some((it) => it.durable)) return 'a relay still has a letter'
  const mayArrive = takes.hk || takes.tw
  if (mayArrive && sent === 0) return 'a letter that a relay could have sent was not'
  if (origin.reports !== (sent === 1 ? 0 : 1)) return `${sent} sent, ${origin.reports} notices`
  return lost > 0 ? 'a relay forgot a letter' : undefined
}

const seeds = 2_000

test(`${seeds} walks: sent once, or told of once; nobody keeps anything; no relay is taken for lost`, () => {
  for (let seed = 1; seed <= seeds; seed++) assert.equal(run(seed), undefined, `seed ${seed}`)
})

const rules: Rule[] = [
  'grant-written-first',
  'grant-names-stage',
  'asks-after-start',
  'outcome-written-first',
  'grant-is-kept',
]

for (const rule of rules) {
  test(`without the rule ${rule} a letter is sent twice`, (t) => {
    for (let seed = 1; seed <= 20_000; seed++) {
      if (/^sent [2-9]/.test(run(seed, rule) ?? '')) return t.diagnostic(`first at seed ${seed}`)
    }
    assert.fail('no seed has noticed')
  })
}
