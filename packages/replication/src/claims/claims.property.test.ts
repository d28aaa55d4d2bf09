// The rules of names on their own: nodes that are cut off from each other at random claim one name two or three times over, registrars
// answer by the rules, news travels as it may. Whatever happens, the nodes must end up saying the same.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createSeededRandom } from '@skein/testkit'
import type { SeededRandom } from '@skein/testkit'
import fc from 'fast-check'
import { shortIdOf } from '../identity.ts'
import type { Acknowledgement } from './entry-value.ts'
import { answerClaim, registrarKey, registrarsOf, standingOf } from './registrars.ts'
import type { ClaimIdentity, RegistrarAnswer } from './registrars.ts'
import { compareClaims, looksRenamed, majorityOf, rankOf, renamedAddress, resolveClaims } from './resolution.ts'
import type { Claim, ClaimRank, RankedClaim } from './resolution.ts'

const address = 'twin@test.com'

interface Node {
  id: string
  promised: ClaimIdentity | undefined
  /** Claims that have reached this node, by account. */
  known: Map<string, Claim>
  informed: boolean
}

interface Attempt {
  node: Node
  identity: ClaimIdentity
  granted: Set<string>
  state: 'asking' | 'provisional' | 'confirmed' | 'given up'
}

class Run {
  readonly nodes: Node[]
  readonly attempts: Attempt[] = []
  readonly everConfirmed = new Set<string>()
  readonly #random: SeededRandom
  readonly #registrars: string[]
  #groups = new Map<string, number>()
  #time = 1_000

  constructor(seed: number) {
    this.#random = createSeededRandom(seed)
    const count = this.#random.between(2, 7)
    this.nodes = Array.from({ length: count }, (_, i) => ({
      id: `node-${seed % 97}-${i}`,
      promised: undefined,
      known: new Map(),
      informed: true,
    }))
    this.#registrars = registrarsOf(
      address,
      this.nodes.map(({ id }) => id),
      3,
    )
  }

  #connected(a: Node, b: Node): boolean {
    return a === b || this.#groups.get(a.id) === this.#groups.get(b.id)
  }

  cut(): void {
    for (const { id } of this.nodes) this.#groups.set(id, this.#random.integer(3))
  }

  heal(): void {
    this.#groups.clear()
  }

  #resolution(node: Node) {
    return resolveClaims(address, [...node.known.values()].map(ranked))
  }

  start(): void {
    const node = this.#random.pick(this.nodes)
    // A node does not claim a name that its own map gives to somebody.
    if (node.known.size > 0 || this.attempts.some((attempt) => attempt.node === node)) return
    const accountId = Buffer.from(this.#random.bytes(16)).toString('hex')
    const identity = { accountId, claimTime: (this.#time += this.#random.between(-3, 5)) }
    this.attempts.push({ node, identity, granted: new Set(), state: 'asking' })
  }

  /** One round of asking by one claimant; answers may be lost, though the promise stands. */
  ask(attempt: Attempt): void {
    if (attempt.state === 'confirmed' || attempt.state === 'given up') return
    const holder = this.#resolution(attempt.node)?.winner.value.accountId
    if (attempt.state === 'provisional' && holder !== attempt.identity.accountId) {
      this.#release(attempt)
      return
    }
    const answers: RegistrarAnswer[] = []
    for (const id of this.#registrars) {
      const registrar = this.nodes.find((node) => node.id === id) as Node
      if (!this.#connected(attempt.node, registrar) || this.#random.chance(0.1)) continue
      const answer = answerClaim(attempt.identity, {
        informed: registrar.informed,
        agreesOnRegistrars: true,
        isAlias: false,
        holder: this.#resolution(registrar)?.winner.value.accountId,
        promised: registrar.promised,
      })
      if (answer.kind === 'granted') registrar.promised ??= attempt.identity
      if (this.#random.chance(0.1)) continue
      if (answer.kind === 'granted') attempt.granted.add(id)
      answers.push(answer)
    }
    const standing = standingOf(attempt.identity, answers, this.#registrars.length)
    if (standing === 'confirmed') {
      attempt.state = 'confirmed'
      this.everConfirmed.add(attempt.identity.accountId)
      this.#publish(attempt)
    } else if (attempt.state === 'asking' && (standing === 'taken' || standing === 'contested')) {
      attempt.state = 'given up'
      this.#release(attempt)
    } else if (attempt.state === 'asking') {
      attempt.state = 'provisional'
      this.#publish(attempt)
    }
  }

  #release(attempt: Attempt): void {
    for (const id of this.#registrars) {
      const registrar = this.nodes.find((node) => node.id === id) as Node
      const reached = this.#connected(attempt.node, registrar)
      if (reached && registrar.promised?.accountId === attempt.identity.accountId) registrar.promised = undefined
    }
    attempt.granted.clear()
  }

  #publish(attempt: Attempt): void {
    const { identity, node, granted, state } = attempt
    const acknowledgements: Acknowledgement[] = [...granted]
      .filter((id) => id !== node.id)
      .map((id) => ({ registrar: shortIdOf(id), proof: 0 }))
    node.known.set(identity.accountId, {
      owner: node.id,
      value: {
        ...identity,
        epoch: 1,
        suspended: false,
        registrars: registrarKey(this.#registrars),
        // Too few promises are none: the owner's own word, which rankOf adds to them, may be given to another.
        acknowledgements: state === 'confirmed' ? acknowledgements : [],
        replicas: [],
        inSync: [],
        extra: [],
      },
    })
  }

  /** A node hears what another knows; of one account the owner's latest word counts. */
  gossip(): void {
    const [a, b] = [this.#random.pick(this.nodes), this.#random.pick(this.nodes)]
    if (this.#connected(a, b)) this.tell(a, b)
  }

  tell(from: Node, to: Node): void {
    for (const [account, claim] of from.known) {
      const held = to.known.get(account)
      const newer = !held || claim.value.acknowledgements.length >= held.value.acknowledgements.length
      if (newer && claim.owner !== to.id) to.known.set(account, claim)
    }
  }

  finish(): void {
    this.heal()
    for (let round = 0; round < 6; round++) {
      for (const from of this.nodes) for (const to of this.nodes) this.tell(from, to)
      for (const attempt of this.attempts) this.ask(attempt)
    }
    for (const from of this.nodes) for (const to of this.nodes) this.tell(from, to)
    for (const from of this.nodes) for (const to of this.nodes) this.tell(from, to)
  }
}

function ranked(claim: Claim): RankedClaim {
  return { ...claim, rank: rankOf(claim, () => true) }
}

test('20,000 partitioned double and triple claims: none diverges, none is confirmed twice, no confirmed account is renamed', () => {
  let conflicts = 0
  let confirmed = 0
  for (let seed = 1; seed <= 20_000; seed++) {
    const random = createSeededRandom(`run ${seed}`)
    const run = new Run(seed)
    run.cut()
    for (let step = 0; step < 40; step++) {
      const chance = random.next()
      if (chance < 0.2 && run.attempts.length < 3) run.start()
      else if (chance < 0.6 && run.attempts.length > 0) run.ask(random.pick(run.attempts))
      else if (chance < 0.9) run.gossip()
      else if (chance < 0.95) run.cut()
      else run.heal()
    }
    run.finish()
    const views = run.nodes.map(({ known }) => JSON.stringify(viewOf([...known.values()])))
    assert.equal(new Set(views).size, 1, `seed ${seed}: ${[...new Set(views)].join(' / ')}`)
    assert.ok(run.everConfirmed.size <= 1, `seed ${seed}: confirmed ${[...run.everConfirmed].join(', ')}`)
    const resolution = resolveClaims(address, [...(run.nodes[0]?.known.values() ?? [])].map(ranked))
    for (const { claim } of resolution?.losers ?? []) {
      conflicts++
      assert.ok(!run.everConfirmed.has(claim.value.accountId), `seed ${seed}: a confirmed account was renamed`)
    }
    confirmed += run.everConfirmed.size
  }
  // The run must have met what it is about.
  assert.ok(conflicts > 1_000, `only ${conflicts} conflicts`)
  assert.ok(confirmed > 5_000, `only ${confirmed} confirmed`)
})

function viewOf(claims: Claim[]): unknown {
  const resolution = resolveClaims(address, claims.map(ranked))
  return (
    resolution && {
      winner: resolution.winner.value.accountId,
      losers: resolution.losers.map(({ claim, renamedTo }) => [claim.value.accountId, renamedTo]),
    }
  )
}

const hexOf = (bytes: number) =>
  fc.uint8Array({ minLength: bytes, maxLength: bytes }).map((b) => Buffer.from(b).toString('hex'))
const rankedClaim: fc.Arbitrary<RankedClaim> = fc
  .record({
    rank: fc.constantFrom<ClaimRank>(0, 1, 2),
    owner: fc.constantFrom('a', 'b', 'c', 'd'),
    accountId: fc.oneof(hexOf(16), fc.constant('00'.repeat(16))),
    claimTime: fc.integer({ min: 1, max: 4 }),
  })
  .map(({ rank, owner, accountId, claimTime }) => ({
    rank,
    owner,
    value: {
      accountId,
      claimTime,
      epoch: 1,
      suspended: false,
      registrars: [],
      acknowledgements: [],
      replicas: [],
      inSync: [],
      extra: [],
    },
  }))

test('the resolution does not depend on the order in which claims are learnt', () => {
  fc.assert(
    fc.property(fc.array(rankedClaim, { minLength: 1, maxLength: 6 }), fc.nat(), (claims, seed) => {
      const shuffled = createSeededRandom(seed).shuffle(claims)
      const view = (list: RankedClaim[]) => {
        const resolution = resolveClaims(address, list)
        return [resolution?.winner.value.accountId, resolution?.losers.map(({ renamedTo }) => renamedTo)]
      }
      assert.deepEqual(view(shuffled), view(claims))
    }),
  )
})

test('the order of claims is an order', () => {
  fc.assert(
    fc.property(rankedClaim, rankedClaim, rankedClaim, (a, b, c) => {
      assert.ok(Math.sign(compareClaims(a, b)) === -Math.sign(compareClaims(b, a)))
      if (compareClaims(a, b) <= 0 && compareClaims(b, c) <= 0) assert.ok(compareClaims(a, c) <= 0)
    }),
  )
})

test('every loser has a name of its own, which nobody may add', () => {
  fc.assert(
    fc.property(fc.uniqueArray(hexOf(16), { minLength: 1, maxLength: 8 }), (accounts) => {
      const claims = accounts.map((accountId): RankedClaim => {
        const lists = { registrars: [], acknowledgements: [], replicas: [], inSync: [], extra: [] }
        return { owner: 'a', rank: 2, value: { accountId, claimTime: 1, epoch: 1, suspended: false, ...lists } }
      })
      const names = resolveClaims(address, claims)?.losers.map(({ renamedTo }) => renamedTo) ?? []
      assert.equal(new Set(names).size, accounts.length - 1)
      for (const name of names) assert.ok(looksRenamed(name) && name.endsWith('@test.com'))
    }),
  )
  assert.match(renamedAddress(address, 'ab'.repeat(16)), /^twin~[0-9a-f]{6}@test\.com$/)
})

test('a claim that nobody else promised never ranks as one that others did', () => {
  const self = 'node-a'
  const others = ['node-b', 'node-c', 'node-d']
  const claim = (registrars: string[], promised: string[]): Claim => ({
    owner: self,
    value: {
      accountId: '00'.repeat(16),
      claimTime: 1,
      epoch: 1,
      suspended: false,
      registrars: registrars.map(shortIdOf),
      acknowledgements: promised.map((id) => ({ registrar: shortIdOf(id), proof: 0 })),
      replicas: [],
      inSync: [],
      extra: [],
    },
  })
  const all = () => true
  assert.equal(rankOf(claim([], []), all), 1)
  assert.equal(rankOf(claim([self], []), all), 1)
  assert.equal(rankOf(claim(others, []), all), 2)
  assert.equal(rankOf(claim(others, ['node-b']), all), 2)
  assert.equal(rankOf(claim(others, ['node-b', 'node-c']), all), 0)
  assert.equal(rankOf(claim([self, 'node-b', 'node-c'], ['node-b']), all), 0)
  assert.equal(rankOf(claim([self, 'node-b'], []), all), 2)
  // Twice the same word, words of nodes that were not asked, words that do not hold: none counts.
  assert.equal(rankOf(claim(others, ['node-b', 'node-b']), all), 2)
  assert.equal(rankOf(claim(others, ['node-x', 'node-y']), all), 2)
  assert.equal(rankOf(claim([self, 'node-b', 'node-c'], [self, self]), all), 2)
  assert.equal(
    rankOf(claim(others, ['node-b', 'node-c']), () => false),
    2,
  )
})

test('registrars are spread over the nodes, and mostly stay when a node comes', () => {
  const nodes = Array.from({ length: 9 }, (_, i) => `node-${i}`)
  const load = new Map<string, number>()
  let moved = 0
  for (let i = 0; i < 3_000; i++) {
    const before = registrarsOf(`u${i}@test.com`, nodes, 3)
    assert.equal(new Set(before).size, 3)
    assert.deepEqual(registrarsOf(`u${i}@test.com`, [...nodes].reverse(), 3), before)
    for (const id of before) load.set(id, (load.get(id) ?? 0) + 1)
    const after = registrarsOf(`u${i}@test.com`, [...nodes, 'node-new'], 3)
    moved += before.filter((id) => !after.includes(id)).length
  }
  for (const count of load.values()) assert.ok(count > 800 && count < 1_200, `${count} of about 1000`)
  assert.ok(moved < 1_200, `${moved} of about 900`)
  assert.deepEqual([1, 2, 3, 4, 5].map(majorityOf), [1, 2, 2, 3, 3])
})
