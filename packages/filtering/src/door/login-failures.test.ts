import assert from 'node:assert/strict'
import { test } from 'node:test'
import { JudgementFixture } from '../judgement/judgement-fixture.ts'
import { createSharedLoginFailures } from './login-failures.ts'
import { createSubjectHash } from './subject-hash.ts'

async function two(): Promise<[JudgementFixture, ReturnType<typeof createSharedLoginFailures>[]]> {
  const mesh = new JudgementFixture(1)
  const shared = []
  for (const id of ['a', 'b']) {
    const judgement = await mesh.start(id)
    const isTrusted = (address: string) => address.startsWith('127.')
    shared.push(createSharedLoginFailures({ judgement, clock: mesh.clock, hash: createSubjectHash('m'), isTrusted }))
  }
  await mesh.clock.advance(1_000)
  return [mesh, shared]
}

test('what one node has seen the other knows, until it is taken back or old', async () => {
  const [mesh, [a, b]] = await two()
  assert.ok(a && b)
  const nowMs = mesh.clock.nowMs()
  const failures = { count: 7, lastMs: nowMs, blockedUntilMs: nowMs + 4_000 }
  a.tell('anna@example.com from 192.0.2.1', failures)
  await mesh.clock.advance(1_000)
  assert.deepEqual(b.of('anna@example.com from 192.0.2.1'), failures)
  assert.equal(b.of('anna@example.com from 192.0.2.2'), undefined)
  // Its own words are in its own memory.
  assert.equal(a.of('anna@example.com from 192.0.2.1'), undefined)
  a.tell('anna@example.com from 192.0.2.1', null)
  await mesh.clock.advance(1_000)
  assert.equal(b.of('anna@example.com from 192.0.2.1')?.count, 0)
  await mesh.clock.advance(31 * 60_000)
  assert.equal(b.of('anna@example.com from 192.0.2.1'), undefined)
})

test('nobody’s name or address is told in clear', async () => {
  const [mesh, [a]] = await two()
  a?.tell('anna@example.com from 192.0.2.1', { count: 1, lastMs: 1, blockedUntilMs: 0 })
  assert.ok(!mesh.knows('a').join().includes('anna'))
  assert.ok(!mesh.knows('a').join().includes('192.0.2'))
})

test('loopback is another machine at each node', async () => {
  const [, [a]] = await two()
  assert.equal(a?.concerns('127.0.0.1'), false)
  assert.equal(a?.concerns('192.0.2.1'), true)
})
