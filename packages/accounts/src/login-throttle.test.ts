import assert from 'node:assert/strict'
import { test } from 'node:test'
import { VirtualClock } from '@skein/testkit'
import { accountLimits } from './limits.ts'
import { LoginThrottle } from './login-throttle.ts'
import type { LoginFailures, LoginOutcome, SharedLoginFailures } from './ports.ts'

/** Nodes that tell each other at once. */
function meshOf(
  count: number,
  clock: VirtualClock,
): { throttles: LoginThrottle[]; said: Map<string, LoginFailures>[] } {
  const said = Array.from({ length: count }, () => new Map<string, LoginFailures>())
  const shared = (self: number): SharedLoginFailures => ({
    concerns: (address) => !address.startsWith('127.'),
    of(key) {
      const words = said.flatMap((words, node) => (node === self ? [] : (words.get(key) ?? [])))
      return words.toSorted((a, b) => b.count - a.count)[0]
    },
    tell(key, failures) {
      if (failures) said[self]?.set(key, failures)
      else said[self]?.delete(key)
    },
  })
  return { throttles: said.map((_, node) => new LoginThrottle(clock, shared(node))), said }
}

const wrong = async (): Promise<LoginOutcome> => ({ kind: 'refused' })
const right = async () => ({ kind: 'ok' }) as LoginOutcome
const name = 'anna@example.com'

test('guesses spread over three nodes are counted as guesses at one', async () => {
  const clock = new VirtualClock()
  const { throttles } = meshOf(3, clock)
  let made = 0
  for (let n = 0; n < 30; n++) {
    const outcome = await throttles[n % 3]?.run(name, '192.0.2.1', wrong)
    if (outcome?.kind === 'refused') made++
  }
  assert.equal(made, accountLimits.loginFailuresFree + 1)
  for (const throttle of throttles) assert.equal(throttle.obstacle(name, '192.0.2.1')?.kind, 'throttled')
  // From elsewhere the name is free.
  assert.equal(throttles[0]?.obstacle(name, '192.0.2.2'), undefined)
})

test('an address that guesses at many names is delayed at every node', async () => {
  const clock = new VirtualClock()
  const { throttles } = meshOf(2, clock)
  for (let n = 0; n <= accountLimits.loginFailuresPerAddressFree; n++) {
    await throttles[n % 2]?.run(`u${n}@example.com`, '192.0.2.1', wrong)
  }
  for (const throttle of throttles) assert.equal(throttle.obstacle('new@example.com', '192.0.2.1')?.kind, 'throttled')
})

test('a right password takes back what its node has said', async () => {
  const clock = new VirtualClock()
  const { throttles, said } = meshOf(2, clock)
  for (let n = 0; n < 3; n++) await throttles[0]?.run(name, '192.0.2.1', wrong)
  assert.equal(said[0]?.get(`${name} from 192.0.2.1`)?.count, 3)
  await throttles[0]?.run(name, '192.0.2.1', right)
  assert.equal(said[0]?.size, 0)
})

test('loopback of one node is not loopback of another', async () => {
  const clock = new VirtualClock()
  const { throttles, said } = meshOf(2, clock)
  for (let n = 0; n < 20; n++) await throttles[0]?.run(name, '127.0.0.1', wrong)
  assert.equal(throttles[0]?.obstacle(name, '127.0.0.1')?.kind, 'throttled')
  assert.equal(throttles[1]?.obstacle(name, '127.0.0.1'), undefined)
  assert.equal(said[0]?.size, 0)
})

test('no other node can lock anybody out for longer than this one would', () => {
  const clock = new VirtualClock()
  const { throttles, said } = meshOf(2, clock)
  said[1]?.set(`${name} from 192.0.2.1`, { count: 1e9, lastMs: clock.nowMs(), blockedUntilMs: 1e15 })
  const obstacle = throttles[0]?.obstacle(name, '192.0.2.1')
  assert.equal(obstacle?.retryAfterMs, accountLimits.loginDelayMaxMs)
})
