import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLogger } from '@skein/runtime'
import { createSeededRandom, VirtualClock } from '@skein/testkit'
import { deliveryLimits } from './limits.ts'
import { SrsSecretKeeper, type SharedSecret } from './srs-secrets.ts'

const dayMs = 86_400_000

/** One mesh; what one node adds the others see at once. */
function world() {
  const clock = new VirtualClock()
  const random = createSeededRandom(4)
  const made: SharedSecret[] = []
  let ids = 0
  const node = (mayChange = true) =>
    new SrsSecretKeeper(
      {
        shared: {
          list: () => made.toSorted((a, b) => b.madeMs - a.madeMs || (a.id < b.id ? -1 : 1)),
          mayChange: () => mayChange,
          add: async (key) => {
            await Promise.resolve()
            made.push({ id: String(ids++), key, madeMs: clock.nowMs() })
          },
          remove: async (id) =>
            void made.splice(
              made.findIndex((it) => it.id === id),
              1,
            ),
        },
        clock,
        random,
        logger: silentLogger,
      },
      deliveryLimits,
    )
  return { clock, made, node }
}

test('the first node makes one, which serves at once; others make none', async () => {
  const { clock, made, node } = world()
  const member = node(false)
  member.start()
  await clock.advance(1)
  assert.deepEqual(member.secrets(), { known: [] })
  const first = node()
  first.start()
  await clock.advance(1)
  node().start()
  await clock.advance(dayMs)
  assert.equal(made.length, 1)
  assert.equal(made[0]?.key.length, 32)
  assert.deepEqual(member.secrets(), { newest: made[0]?.key, known: [made[0]?.key] })
})

test('a new one every 90 days, used an hour later; the one before goes when nothing made with it is good any more', async () => {
  const { clock, made, node } = world()
  const keeper = node()
  keeper.start()
  await clock.advance(1000)
  const first = made[0]?.key
  await clock.advance(90 * dayMs - 1000)
  assert.equal(made.length, 2)
  assert.deepEqual(keeper.secrets().newest, first)
  await clock.advance(3600_000)
  assert.deepEqual(keeper.secrets().newest, made[1]?.key)
  await clock.advance(22 * dayMs)
  assert.deepEqual(keeper.secrets().known.length, 2)
  await clock.advance(2 * dayMs)
  assert.deepEqual(keeper.secrets().known, [made[0]?.key])
  assert.notDeepEqual(made[0]?.key, first)
  await keeper.stop()
  await clock.advance(200 * dayMs)
  assert.equal(made.length, 1)
})

test('two that were made at one moment are both good, and all nodes rewrite with the same one', async () => {
  const { clock, made, node } = world()
  const nodes = [node(), node()]
  for (const keeper of nodes) keeper.start()
  await clock.advance(1)
  assert.equal(made.length, 2)
  const [a, b] = nodes.map((keeper) => keeper.secrets())
  assert.deepEqual(a, b)
  assert.equal(a?.known.length, 2)
})
