import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { silentLogger } from '@skein/runtime'
import { VirtualClock, settled } from '@skein/testkit'
import { Supervisor } from './supervisor.ts'
import type { SupervisorComponents } from './supervisor.ts'

function setUp(changes: Partial<SupervisorComponents> = {}) {
  const clock = new VirtualClock()
  const dials: { id: string; addresses: string[]; atMs: number }[] = []
  const connected = new Set<string>()
  const members = new Map([['b', ['addr-1']]])
  let answers = (_addresses: string[]): boolean => false
  const supervisor: Supervisor = new Supervisor({
    self: 'a',
    clock,
    random: { next: () => 0.5, bytes: (length) => new Uint8Array(length) },
    logger: silentLogger,
    members: () => [...members].map(([id, addresses]) => ({ id, addresses })),
    isConnected: (id) => connected.has(id),
    isGreeting: () => false,
    mayDial: () => true,
    async dial(id, addresses) {
      dials.push({ id, addresses, atMs: clock.monotonicMs() })
      if (!answers(addresses)) throw new Error('refused')
      connected.add(id)
      supervisor.onUp(id)
    },
    lookUp: async () => [],
    ...changes,
  })
  const lose = (id: string) => {
    connected.delete(id)
    supervisor.onDown(id)
  }
  return { clock, dials, members, supervisor, lose, connected, answer: (when: typeof answers) => (answers = when) }
}

describe('the supervisor', () => {
  test('never gives a member up, backing off to 15 s at most', async () => {
    const { clock, dials, supervisor } = setUp()
    supervisor.refresh()
    await clock.advance(3_600_000)
    assert.ok(dials.length > 200, `${dials.length} dials in an hour`)
    const gaps = dials.slice(1).map(({ atMs }, at) => atMs - dials[at]!.atMs)
    assert.ok(gaps[0]! <= 500, `first retry after ${gaps[0]} ms`)
    for (const gap of gaps) assert.ok(gap >= 125 && gap <= 15_000, `${gap} ms`)
  })

  test('tries a new address at once, and a changed one after many failures', async () => {
    const { clock, dials, supervisor, members, answer } = setUp()
    supervisor.refresh()
    await clock.advance(600_000)
    answer((addresses) => addresses.includes('addr-2'))
    members.set('b', ['addr-1', 'addr-2'])
    const atMs = clock.monotonicMs()
    supervisor.refresh()
    await clock.advance(1)
    assert.equal(dials.at(-1)?.atMs, atMs)
    assert.deepEqual(dials.at(-1)?.addresses, ['addr-1', 'addr-2'])
    const count = dials.length
    await clock.advance(600_000)
    assert.equal(dials.length, count, 'a connected member is left alone')
  })

  test('asks the DHT when no known address answers, and dials what it says', async () => {
    const { clock, dials, supervisor, connected, answer } = setUp({ lookUp: async () => ['addr-1', 'moved'] })
    answer((addresses) => addresses.includes('moved'))
    supervisor.refresh()
    await clock.advance(1)
    assert.deepEqual(
      dials.map(({ addresses }) => addresses),
      [['addr-1'], ['moved']],
    )
    assert.ok(connected.has('b'))
  })

  test('asks the DHT even for a member of whom no address is known', async () => {
    const { clock, members, supervisor, connected, answer } = setUp({ lookUp: async () => ['found'] })
    answer(() => true)
    members.set('b', [])
    supervisor.refresh()
    await clock.advance(1)
    assert.ok(connected.has('b'))
  })

  test('with the higher id lets the other side dial first', async () => {
    const { clock, dials, supervisor } = setUp({ self: 'z' })
    supervisor.refresh()
    await clock.advance(149)
    assert.equal(dials.length, 0)
    await clock.advance(400)
    assert.ok(dials.length > 0)
  })

  test('starts afresh after a connection that lasted, not after one that fell at once', async () => {
    const { clock, dials, supervisor, answer, lose } = setUp()
    answer(() => true)
    supervisor.refresh()
    for (let round = 0; round < 8; round += 1) {
      await clock.advance(15_000)
      // Lost as soon as it stands.
      const before = dials.length
      while (dials.length === before) {
        lose('b')
        await clock.advance(15_000)
      }
    }
    const lastGapMs = dials.at(-1)!.atMs - dials.at(-2)!.atMs
    assert.ok(lastGapMs >= 15_000, 'fell after 15 s each time: stable')
    lose('b')
    const atMs = clock.monotonicMs()
    await clock.advance(1_000)
    assert.ok(dials.at(-1)!.atMs - atMs <= 250)

    let quick = 0
    for (let fall = 0; fall < 20; fall += 1) {
      lose('b')
      const count = dials.length
      const fromMs = clock.monotonicMs()
      while (dials.length === count) await clock.step()
      if (clock.monotonicMs() - fromMs <= 1_000) quick += 1
    }
    assert.ok(quick < 5, `${quick} quick dials of 20`)
  })

  test('does not dial while told not to, and lets a removed member be', async () => {
    let may = false
    const { clock, dials, supervisor, members } = setUp({ mayDial: () => may })
    supervisor.refresh()
    await clock.advance(60_000)
    assert.equal(dials.length, 0)
    may = true
    await clock.advance(1_000)
    assert.ok(dials.length > 0)
    members.delete('b')
    supervisor.refresh()
    const count = dials.length
    await clock.advance(60_000)
    assert.equal(dials.length, count)
  })

  test('stops for good, even in the middle of a dial', async () => {
    const hanging = Promise.withResolvers<void>()
    const { clock, supervisor } = setUp({ dial: () => hanging.promise })
    supervisor.refresh()
    await clock.advance(1)
    supervisor.stop()
    hanging.reject(new Error('too late'))
    await settled()
    assert.equal(clock.pending, 0)
  })
})
