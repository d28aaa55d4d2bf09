import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isErrorCode, SkeinError, type PeerLink } from '@skein/runtime'
import { createSeededRandom } from './seeded-random.ts'
import { SimulatedNetwork, type SimulatedNetworkSettings } from './simulated-network.ts'
import { VirtualClock } from './virtual-clock.ts'

interface Echo {
  clock: VirtualClock
  network: SimulatedNetwork
  a: PeerLink
  b: PeerLink
  served: string[]
}

async function echo(settings: SimulatedNetworkSettings = {}): Promise<Echo> {
  const clock = new VirtualClock()
  const network = new SimulatedNetwork(clock, createSeededRandom(1), settings)
  const a = network.join('a')
  const b = network.join('b')
  const served: string[] = []
  b.handle('mail', async (from, payload) => {
    served.push(`${from} ${Buffer.from(payload).toString()}`)
    return Buffer.from(payload).reverse()
  })
  await clock.advance(1000)
  return { clock, network, a, b, served }
}

const text = (value: string) => Buffer.from(value)

test('a request is answered; both sides know of each other', async () => {
  const { clock, a, b, served } = await echo()
  assert.deepEqual([a.connected(), b.connected()], [['b'], ['a']])
  const answer = await clock.runUntil(a.request('b', 'mail', text('abc')))
  assert.equal(Buffer.from(answer).toString(), 'cba')
  assert.deepEqual(served, ['a abc'])
})

test("a handler's error comes across with its code and kind, another's as an internal error", async () => {
  const { clock, a, b } = await echo()
  b.handle('log', async () => {
    throw new SkeinError('no-such-thing', 'permanent', 'no')
  })
  b.handle('own', async () => {
    throw new Error('secret')
  })
  await assert.rejects(
    clock.runUntil(a.request('b', 'log', text(''))),
    (error) => isErrorCode(error, 'no-such-thing') && error.kind === 'permanent',
  )
  await assert.rejects(clock.runUntil(a.request('b', 'own', text(''))), (error) => isErrorCode(error, 'internal-error'))
})

test('a partition breaks what is under way, is noticed by both, and heals', async () => {
  const { clock, network, a, b } = await echo()
  const seen: string[] = []
  a.onPeerChange((peer, state) => seen.push(`${peer} ${state}`))
  let release: () => void = () => {}
  b.handle('mail', () => new Promise((resolve) => (release = () => resolve(text('late')))))
  const broken = assert.rejects(a.request('b', 'mail', text('x')), (error) => isErrorCode(error, 'peer-unreachable'))
  await clock.advance(100)
  network.partition([['a'], ['b']])
  await clock.advance(1000)
  release()
  await broken
  assert.deepEqual([a.connected(), b.connected()], [[], []])
  await assert.rejects(a.request('b', 'mail', text('x')), (error) => isErrorCode(error, 'peer-unreachable'))
  network.heal()
  await clock.advance(1000)
  assert.deepEqual(seen, ['b down', 'b up'])
})

test('lost requests end in time; doubled ones reach the handler twice and are answered once', async () => {
  const lossy = await echo({ dropChance: 1 })
  const lost = lossy.a.request('b', 'mail', text('x'), { timeoutMs: 5000 })
  await assert.rejects(lossy.clock.runUntil(lost), (error) => isErrorCode(error, 'peer-unreachable'))
  assert.deepEqual(lossy.served, [])
  const double = await echo({ duplicateChance: 1 })
  await double.clock.runUntil(double.a.request('b', 'mail', text('x')))
  await double.clock.advance(1000)
  assert.equal(double.served.length, 2)
})

test('a crashed node hears nothing, answers nothing, and its own questions stay open for ever', async () => {
  const { clock, network, a, b } = await echo()
  let late: () => void = () => {}
  b.handle('mail', () => new Promise((resolve) => (late = () => resolve(text('')))))
  const asked = a.request('b', 'mail', text('x'))
  const failed = assert.rejects(asked, (error) => isErrorCode(error, 'peer-unreachable'))
  await clock.advance(100)
  network.crash('b')
  late()
  await clock.advance(1000)
  await failed
  let settled = false
  b.request('a', 'mail', text('x')).then(
    () => (settled = true),
    () => (settled = true),
  )
  const again = network.join('b')
  again.handle('mail', async () => text('again'))
  await clock.advance(60_000)
  assert.equal(settled, false)
  assert.equal(Buffer.from(await clock.runUntil(a.request('b', 'mail', text('')))).toString(), 'again')
})

test('one seed, one history', async () => {
  const history = async (seed: number) => {
    const clock = new VirtualClock()
    const events: string[] = []
    const network = new SimulatedNetwork(clock, createSeededRandom(seed), {
      dropChance: 0.2,
      duplicateChance: 0.2,
      onEvent: (what) => events.push(`${clock.monotonicMs()} ${what}`),
    })
    const links = ['a', 'b', 'c'].map((id) => network.join(id))
    for (const link of links) link.handle('mail', async (_, payload) => payload)
    await clock.advance(500)
    for (let i = 0; i < 50; i++) {
      for (const link of links)
        for (const to of link.connected()) void link.request(to, 'mail', text('x')).catch(() => {})
      await clock.advance(10)
    }
    return events
  }
  assert.deepEqual(await history(5), await history(5))
  assert.notDeepEqual(await history(5), await history(6))
})
