import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { chooseWay, type Surroundings } from './other-way.ts'
import { PathMemory } from './path-memory.ts'
import { deliveryLimits } from './limits.ts'
import { DirectoryFixture } from './directory-fixture.ts'

const minute = 60_000
const domain = 'example.org'

test('each refusal in a row doubles the time for which a node is not tried; a success ends it', () => {
  const memory = new PathMemory(deliveryLimits)
  let nowMs = 1e12
  for (const minutes of [10, 20, 40, 80, 160, 240, 240]) {
    memory.refused(domain, 'bj', 'address', nowMs)
    assert.ok(memory.isShunned(domain, 'bj', nowMs + (minutes - 1) * minute), `${minutes}`)
    nowMs += (minutes + 1) * minute
    assert.ok(!memory.isShunned(domain, 'bj', nowMs), `${minutes}`)
  }
  memory.refused(domain, 'bj', 'address', nowMs)
  assert.ok(memory.delivered(domain, 'bj', nowMs))
  assert.ok(!memory.isShunned(domain, 'bj', nowMs))
  assert.equal(memory.lastOkMs(domain, 'bj', nowMs), nowMs)
})

test('many letters that are refused at one moment are one refusal', () => {
  const memory = new PathMemory(deliveryLimits)
  for (let i = 0; i < 50; i++) memory.refused(domain, 'bj', 'address', 1e12 + i)
  assert.ok(!memory.isShunned(domain, 'bj', 1e12 + 11 * minute))
})

test('what is older than a day is forgotten', () => {
  const memory = new PathMemory(deliveryLimits)
  memory.refused(domain, 'bj', 'address', 1e12)
  assert.equal(memory.standing(domain, 'bj', 1e12 + 25 * 3600_000), undefined)
  assert.equal(memory.size, 0)
})

test('news cross as ages, about the teller alone, and older news change nothing', () => {
  const here = new PathMemory(deliveryLimits)
  const there = new PathMemory(deliveryLimits)
  here.refused(domain, 'bj', 'unreachable', 1e12)
  here.delivered('other.example', 'bj', 1e12)
  here.refused(domain, 'tw', 'address', 1e12)
  const news = here.news('bj', 1e12 + 5_000)
  assert.deepEqual(news.map((it) => it.domain).toSorted(), ['example.org', 'other.example'])
  // The other clock is an hour behind.
  const nowMs = 1e12 - 3600_000
  assert.deepEqual(
    news.map((it) => there.learn('bj', it, nowMs)).filter((it) => it !== undefined),
    ['other.example'],
  )
  assert.ok(there.isShunned(domain, 'bj', nowMs))
  assert.equal(there.standing(domain, 'tw', nowMs), undefined)
  there.delivered(domain, 'bj', nowMs)
  there.learn('bj', { domain, okAgeMs: 60_000, refusedAgeMs: null, cause: 'address' }, nowMs)
  assert.equal(there.lastOkMs(domain, 'bj', nowMs), nowMs)
})

test('bounded, whatever is heard', () => {
  const memory = new PathMemory({ ...deliveryLimits, pathDomainsMax: 10, pathNodesPerDomainMax: 3 })
  const age = fc.option(fc.nat())
  const news = fc.record({
    domain: fc.constantFrom(...Array.from({ length: 50 }, (_, n) => `d${n}.example`)),
    okAgeMs: age,
    refusedAgeMs: age,
    cause: fc.constantFrom('address' as const, 'unreachable' as const),
  })
  fc.assert(
    fc.property(fc.string(), news, (node, it) => {
      memory.learn(node, it, 1e12)
      assert.ok(memory.size <= 10)
      assert.ok(memory.news(node, 1e12).length <= 10)
    }),
  )
})

function around(changes: Partial<Surroundings>): Surroundings {
  const map = new DirectoryFixture()
  for (const id of ['bj', 'hk', 'tw']) map.node(id, id)
  return {
    domain,
    self: 'bj',
    refusedWays: [],
    nodes: [...map.nodes.values()],
    isConnected: () => true,
    isBusy: () => false,
    memory: new PathMemory(deliveryLimits),
    nowMs: 1e12,
    isBackingOff: false,
    mayLeave: true,
    ...changes,
  }
}

const refused = (node: string) => ({
  node,
  result: {
    atMs: 0,
    kind: 'permanent' as const,
    code: 554,
    status: '5.7.1',
    text: 'blocked',
    courier: 'outside' as const,
    hop: 'mx',
  },
})

test('the way of a letter', () => {
  const known = new PathMemory(deliveryLimits)
  known.refused(domain, 'bj', 'unreachable', 1e12)
  known.delivered(domain, 'tw', 1e12)
  const own = new PathMemory(deliveryLimits)
  own.refused(domain, 'bj', 'address', 1e12)
  const silent = new PathMemory(deliveryLimits)
  silent.refused(domain, 'bj', 'unreachable', 1e12)
  const table: [string, Partial<Surroundings>, string][] = [
    ['nothing known', {}, 'own'],
    ['refused here', { refusedWays: [refused('bj')] }, 'peer hk'],
    ['refused here and there', { refusedWays: [refused('bj'), refused('hk')] }, 'peer tw'],
    ['refused everywhere', { refusedWays: ['bj', 'hk', 'tw'].map(refused) }, 'none'],
    ['busy', { refusedWays: [refused('bj')], isBusy: (node) => node === 'hk' }, 'peer tw'],
    ['all busy', { refusedWays: [refused('bj')], isBusy: () => true }, 'wait'],
    ['away', { refusedWays: [refused('bj')], isConnected: () => false }, 'wait'],
    ['may not leave', { mayLeave: false, memory: own }, 'own'],
    ['known to be refused', { memory: own }, 'peer hk'],
    ['known to be refused, nobody there', { memory: own, isConnected: () => false }, 'own'],
    ['does not answer, nobody known to get through', { memory: silent, isBackingOff: true }, 'own'],
    ['does not answer, one known to get through', { memory: known, isBackingOff: true }, 'peer tw'],
    ['refused long ago', { memory: own, nowMs: 1e12 + 11 * minute }, 'own'],
  ]
  for (const [what, changes, wanted] of table) {
    const way = chooseWay(around(changes))
    assert.equal(way.kind === 'peer' ? `peer ${way.node}` : way.kind, wanted, what)
  }
})

test('when the time has come one letter tries the own address, the others keep off', () => {
  const memory = new PathMemory(deliveryLimits)
  memory.refused(domain, 'bj', 'address', 1e12)
  const nowMs = 1e12 + 11 * minute
  assert.equal(chooseWay(around({ memory, nowMs })).kind, 'own')
  assert.equal(chooseWay(around({ memory, nowMs })).kind, 'peer')
})
