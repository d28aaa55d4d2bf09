// Either side ends at any moment, answers are lost, requests come twice: each letter leaves once, or its sender is told once.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createSeededRandom } from '@skein/testkit'
import { blocked, fourNodes, plain, silent, taken, unfinished } from './hand-over-fixture.ts'

const seeds = 60
const letters = 6

/** After the domain's answer a node needs so long to write it down; a crash within it is SMTP's own window. */
const windowMs = 12

for (const crashing of [['hk'], ['bj'], ['bj', 'hk', 'tw']]) {
  test(`${seeds} seeds, ${crashing.join(' and ')} crashing during hand-over, lines that lose and double`, async () => {
    let crashes = 0
    for (let seed = 1; seed <= seeds; seed++) crashes += await run(seed, crashing)
    assert.ok(crashes > seeds, `${crashes} crashes`)
  })
}

async function run(seed: number, crashing: readonly string[]): Promise<number> {
  const random = createSeededRandom(seed)
  const { mesh, says, took, mind, send } = await fourNodes({}, { delayMaxMs: random.pick([2, 20, 100]) })
  mesh.network.disturb({ drop: random.pick([0, 0.02, 0.1]), duplicate: random.pick([0, 0.1]) })
  mind.answerMs = random.pick([1, 20, 100])
  says.set('bj', random.pick([blocked, silent]))
  says.set('hk', random.pick([taken, taken, blocked, silent]))
  const sent: string[] = []
  let crashes = 0
  for (let i = 0; i < letters; i++) {
    const to = `u${i}@d${i % 2}.example`
    await send(to, plain.replace('w1', `w${i}`))
    sent.push(to)
    await mesh.clock.advance(random.next() ** 2 * 300)
    const node = random.pick(crashing)
    // Not in the moment between the domain's answer and our record of it.
    while (took.some((it) => it.by === node && mesh.clock.nowMs() - it.atMs < windowMs)) await mesh.clock.advance(1)
    mesh.crash(node)
    crashes++
    await mesh.clock.advance(random.next() * 500)
    await mesh.start(node)
  }
  mesh.network.disturb({ drop: 0, duplicate: 0 })
  await mesh.clock.advance(2 * 3600_000)
  const again = `seed ${seed}`
  assert.equal(unfinished(mesh), 0, again)
  const counts = sent.map((to) => took.filter((it) => it.recipient === to).length)
  assert.deepEqual(
    counts,
    sent.map(() => 1),
    `${again}: ${JSON.stringify(took)}`,
  )
  assert.deepEqual(await mesh.inbox('aaa@test.com'), [], again)
  return crashes
}
