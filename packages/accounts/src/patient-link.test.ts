import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type PeerLink, SkeinError } from '@skein/runtime'
import { VirtualClock } from '@skein/testkit'
import { accountLimits } from './limits.ts'
import { createPatientLink } from './patient-link.ts'

function setup() {
  const clock = new VirtualClock()
  const state = { isUp: false, asked: 0, fails: 0, failsStanding: 0 }
  const listeners = new Set<(peer: string, state: 'up' | 'down') => void>()
  const link: PeerLink = {
    self: 'edge',
    connected: () => (state.isUp ? ['home'] : []),
    handle() {},
    onPeerChange(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    async request() {
      state.asked += 1
      if (state.failsStanding-- > 0)
        throw new SkeinError('peer-unreachable', 'temporary', 'no requests of this kind now')
      if (state.isUp && state.fails-- <= 0) return new Uint8Array(1)
      if (state.isUp) set('down')
      throw new SkeinError('peer-unreachable', 'temporary', 'not connected')
    },
  }
  function set(to: 'up' | 'down') {
    state.isUp = to === 'up'
    for (const listener of listeners) listener('home', to)
  }
  const patient = createPatientLink(link, clock)
  const settled = async (asking: Promise<unknown>) => {
    let outcome: 'answered' | 'refused' | 'waiting' = 'waiting'
    asking.then(
      () => (outcome = 'answered'),
      () => (outcome = 'refused'),
    )
    await clock.advance(0)
    return () => outcome
  }
  return { clock, state, set, ask: () => settled(patient.request('home', 'accounts', new Uint8Array(0))) }
}

test('right after the start it waits for the line, and asks when it stands', async () => {
  const { clock, set, ask } = setup()
  const outcome = await ask()
  await clock.advance(accountLimits.lineWaitMs / 2)
  assert.equal(outcome(), 'waiting')
  set('up')
  await clock.advance(0)
  assert.equal(outcome(), 'answered')
})

test('it waits no longer than that, and not at all for one that has been gone for some time', async () => {
  const { clock, set, ask } = setup()
  const first = await ask()
  await clock.advance(accountLimits.lineWaitMs + 1)
  assert.equal(first(), 'refused')
  set('up')
  set('down')
  assert.equal((await ask())(), 'waiting')
  await clock.advance(accountLimits.lineLostRecentlyMs + 1)
  assert.equal((await ask())(), 'refused')
})

test('a line that breaks while it is asked is asked once more when it is back', async () => {
  const { clock, state, set, ask } = setup()
  set('up')
  state.fails = 1
  const outcome = await ask()
  assert.equal(outcome(), 'waiting')
  set('up')
  await clock.advance(0)
  assert.equal(outcome(), 'answered')
  assert.equal(state.asked, 2)
})

test('a line that stands but does not carry the question is asked again, for no longer than the wait', async () => {
  const { clock, state, set, ask } = setup()
  const waiting = await ask()
  state.failsStanding = 3
  set('up')
  await clock.advance(0)
  assert.equal(waiting(), 'waiting')
  await clock.advance(accountLimits.lineRetryMs * 4)
  assert.equal(waiting(), 'answered')
  assert.equal(state.asked, 4)

  state.failsStanding = 1_000
  const never = await ask()
  await clock.advance(accountLimits.lineWaitMs + accountLimits.lineRetryMs)
  assert.equal(never(), 'refused')
})
