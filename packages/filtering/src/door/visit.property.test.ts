import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { DoorFixture } from './door-fixture.ts'
import { doorLimits } from './limits.ts'

const steps = ['greet', 'hello', 'sender', 'recipient', 'refused', 'letter', 'leave', 'wait'] as const

const act = fc.record({
  visit: fc.nat(5),
  step: fc.constantFrom(...steps),
  text: fc.oneof(fc.constantFrom('x@example.net', '', 'postmaster@example.com', 'a@b'), fc.string({ maxLength: 30 })),
  again: fc.nat(12),
})

test('whatever is said in whatever order: an answer in time, in the words of RFC 5321, and nothing is left behind', async () => {
  const rule = fc.asyncProperty(fc.array(act, { maxLength: 60 }), async (acts) => {
    const mesh = new DoorFixture(1)
    const door = await mesh.open('a', { lists: [{ zone: 'bl.example' }], limits: { tarpitSessionsMax: 2 } })
    mesh.dns = { 'a 2.0.0.127.bl.example': ['127.0.0.2'], 'ptr 192.0.2.1': 'silent', 'ptr 192.0.2.2': ['mx.example'] }
    const visits = Array.from({ length: 6 }, (_, n) => mesh.enter('a', n < 3 ? `192.0.2.${n}` : `2001:db8::${n}`))
    for (const { visit: number, step, text, again } of acts) {
      const visit = visits[number]
      assert.ok(visit)
      if (step === 'hello') visit.hello(text)
      else if (step === 'letter') visit.letter(text === '' ? 'refused' : 'taken')
      else if (step === 'leave') visit.leave()
      else if (step === 'wait') await mesh.clock.advance(again * 1_000)
      else {
        for (let n = 0; n <= again; n++) {
          const given =
            step === 'greet'
              ? visit.greet()
              : step === 'sender'
                ? visit.sender(text, null)
                : step === 'recipient'
                  ? visit.recipient(text)
                  : visit.refusedRecipient()
          const { refusal, tookMs } = await mesh.answer(given)
          assert.ok(tookMs <= Math.max(doorLimits.lookupWaitMs, doorLimits.tarpitMaxMs))
          if (!refusal) continue
          assert.match(`${refusal.code} ${refusal.status}`, /^([45])\d\d \1\.\d+\.\d+$/)
          assert.match(refusal.text, /^[ -~]{1,400}$/)
        }
      }
    }
    for (const visit of visits) visit.leave()
    assert.equal(door.stats().tarpit.waiting, 0)
    assert.equal(mesh.enter('a', '198.51.100.9').greet(), null)
  })
  await fc.assert(rule, { numRuns: 60 })
})
