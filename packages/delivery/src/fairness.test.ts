// One destination that is slow, or many, must not make the letters to others wait.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sleep } from '@skein/runtime'
import { MeshFixture } from './mesh-fixture.ts'
import { deliveryLimits } from './limits.ts'

const plain = 'From: aaa@test.com\r\n\r\nx\r\n'
const others = 300

interface Run {
  /** From acceptance to the other side's answer, of letters to quick domains. */
  p95Ms: number
  mostAtSlow: number
  mostInAll: number
}

async function run(slowLetters: number, slowDomains: number, slowMs: number): Promise<Run> {
  const mesh = new MeshFixture({
    userLettersPerHourMax: 1e6,
    userRecipientsPerHourMax: 1e6,
    userRecipientsPerDayMax: 1e6,
  })
  await mesh.start('bj')
  await mesh.account('aaa@test.com', 'bj')
  const accepted = new Map<string, number>()
  const tookMs: number[] = []
  const running = new Map<string, number>()
  let [inAll, mostAtSlow, mostInAll] = [0, 0, 0]
  const chance = mesh.random.fork('answers')
  mesh.outside = async ({ recipients }, destination) => {
    const domain = destination.kind === 'outside' ? destination.domain : ''
    const isSlow = domain.endsWith('slow.example')
    running.set(domain, (running.get(domain) ?? 0) + 1)
    mostInAll = Math.max(mostInAll, ++inAll)
    if (isSlow) mostAtSlow = Math.max(mostAtSlow, running.get(domain) ?? 0)
    await sleep(mesh.clock, isSlow ? slowMs : 50 + 100 * chance.next())
    const atMs = mesh.clock.nowMs()
    if (!isSlow) for (const { address } of recipients) tookMs.push(atMs - (accepted.get(address) ?? 0))
    running.set(domain, (running.get(domain) ?? 0) - 1)
    inAll--
    return recipients.map(() => {
      return { atMs, kind: 'delivered', code: 250, status: '2.0.0', text: 'ok', courier: 'outside', hop: 'mx' }
    })
  }
  const send = (to: string) => mesh.send('bj', 'aaa@test.com', [to], plain, mesh.submitter('aaa@test.com'))
  for (let i = 0; i < slowLetters; i += 500) {
    const batch = Array.from({ length: 500 }, (_, at) => send(`u${i + at}@n${(i + at) % slowDomains}.slow.example`))
    await mesh.clock.runUntil(Promise.all(batch))
  }
  await mesh.clock.advance(2_000)
  for (let i = 0; i < others; i++) {
    const to = `v${i}@q${i % 20}.example`
    accepted.set(to, mesh.clock.nowMs())
    await mesh.clock.runUntil(send(to))
    await mesh.clock.advance(20)
  }
  await mesh.clock.advance(60_000)
  assert.equal(tookMs.length, others)
  tookMs.sort((a, b) => a - b)
  return { p95Ms: tookMs[Math.floor(others * 0.95)] ?? Infinity, mostAtSlow, mostInAll }
}

test('10,000 letters for one slow destination: p95 of the others stays under twice its unloaded value', async (t) => {
  const unloaded = await run(0, 1, 0)
  const loaded = await run(10_000, 1, 30_000)
  t.diagnostic(`p95 ${Math.round(unloaded.p95Ms)} ms alone, ${Math.round(loaded.p95Ms)} ms beside 10,000 letters`)
  assert.ok(loaded.p95Ms < 2 * unloaded.p95Ms)
  const most = deliveryLimits.outsideDeliveriesPerDomainMax
  assert.ok(loaded.mostAtSlow <= most, `${loaded.mostAtSlow} at once to the slow one`)
})

test('10,000 letters for 40 slow destinations, more than there are places: the others still find one', async (t) => {
  const unloaded = await run(0, 1, 0)
  const loaded = await run(10_000, 40, 30_000)
  t.diagnostic(`p95 ${Math.round(unloaded.p95Ms)} ms alone, ${Math.round(loaded.p95Ms)} ms beside 40 slow domains`)
  assert.ok(loaded.p95Ms < 2 * unloaded.p95Ms)
  assert.ok(loaded.mostInAll <= 100)
})
