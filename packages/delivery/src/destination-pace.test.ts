import assert from 'node:assert/strict'
import { test } from 'node:test'
import { VirtualClock } from '@skein/testkit'
import fc from 'fast-check'
import { DestinationPaces } from './destination-pace.ts'
import { deliveryLimits } from './limits.ts'
import type { DeliveryResult } from './ports.ts'

const limits = { ...deliveryLimits, outsideDeliveriesAtStart: 2, outsideDeliveriesPerDomainMax: 8 }
const result = (kind: DeliveryResult['kind'], code: number, status: string): DeliveryResult => {
  return { atMs: 0, kind, code, status, text: '', courier: 'outside', hop: 'mx' }
}
const taken = [result('delivered', 250, '2.0.0')]
const tooMuch = [result('temporary', 421, '4.7.0')]

function round(paces: DestinationPaces, results: readonly DeliveryResult[]): void {
  const begun = Array.from({ length: paces.atOnceMax('d.example') }, () => paces.started('d.example'))
  for (const startedMs of begun) paces.ended('d.example', startedMs, results)
}

test('few at first, twice as many after each round, never more than the limit', () => {
  const paces = new DestinationPaces(new VirtualClock(), limits)
  const seen = []
  for (let i = 0; i < 5; i++) {
    seen.push(paces.atOnceMax('d.example'))
    round(paces, taken)
  }
  assert.deepEqual(seen, [2, 4, 8, 8, 8])
  assert.equal(paces.atOnceMax('other.example'), 2)
})

for (const [code, status, shrinks] of [
  [421, '4.7.0', true],
  [451, '4.4.1', true],
  [451, '4.4.2', true],
  [452, '4.3.2', true],
  [451, '4.4.3', false],
  [451, '4.7.5', false],
  [450, '4.2.0', false],
] as const) {
  test(`${code} ${status} ${shrinks ? 'makes it half' : 'says nothing about the pace'}`, async () => {
    const clock = new VirtualClock()
    const paces = new DestinationPaces(clock, limits)
    for (let i = 0; i < 4; i++) round(paces, taken)
    await clock.advance(10)
    round(paces, [result('temporary', code, status)])
    assert.equal(paces.atOnceMax('d.example'), shrinks ? 4 : 8)
  })
}

test('many that fail together count once; afterwards it grows by one a round', async () => {
  const clock = new VirtualClock()
  const paces = new DestinationPaces(clock, limits)
  for (let i = 0; i < 4; i++) round(paces, taken)
  const begun = Array.from({ length: 8 }, () => paces.started('d.example'))
  await clock.advance(10)
  for (const startedMs of begun) paces.ended('d.example', startedMs, tooMuch)
  assert.equal(paces.atOnceMax('d.example'), 4)
  await clock.advance(10)
  const seen = []
  for (let i = 0; i < 3; i++) {
    round(paces, taken)
    seen.push(paces.atOnceMax('d.example'))
  }
  assert.deepEqual(seen, [5, 6, 7])
})

test('a destination unused for long is new again', async () => {
  const clock = new VirtualClock()
  const paces = new DestinationPaces(clock, limits)
  for (let i = 0; i < 4; i++) round(paces, taken)
  await clock.advance(limits.outsidePaceKeepMs + 1)
  paces.started('d.example')
  assert.equal(paces.atOnceMax('d.example'), 2)
})

test('no more in a minute than allowed', async () => {
  const clock = new VirtualClock()
  const paces = new DestinationPaces(clock, limits, { 'd.example': 60, '*': 600 })
  assert.equal(paces.waitMs('d.example'), 0)
  paces.started('d.example')
  assert.equal(paces.waitMs('d.example'), 1_000)
  await clock.advance(400)
  assert.equal(paces.waitMs('d.example'), 600)
  await clock.advance(60_000)
  assert.equal(paces.waitMs('d.example'), 0)
  paces.started('d.example')
  assert.equal(paces.waitMs('d.example'), 1_000)
  paces.started('e.example')
  assert.equal(paces.waitMs('e.example'), 100)
  assert.equal(new DestinationPaces(clock, limits).waitMs('d.example'), 0)
})

test('always between one and the limit, and in bounded memory', () => {
  const outcomes = fc.constantFrom(taken, tooMuch, [result('permanent', 550, '5.1.1')], [])
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(9), outcomes), { maxLength: 200 }), (attempts) => {
      const paces = new DestinationPaces(new VirtualClock(), { ...limits, outsidePacesMax: 5 })
      for (const [domain, results] of attempts) {
        paces.ended(`${domain}`, paces.started(`${domain}`), results)
        const now = paces.atOnceMax(`${domain}`)
        assert.ok(now >= 1 && now <= 8)
      }
    }),
  )
})
