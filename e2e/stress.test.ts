// Sessions of every kind at one account, at its home and at another node, doing what they please at once; each checks everything that it is told.
// A failure names its seed: `SKEIN_STRESS_SEED=7 SKEIN_STRESS_SECONDS=120 node --test e2e/stress.test.ts`.
import { test } from 'node:test'
import { eventually } from './harness/poll.ts'
import { startMesh } from './harness/skein.ts'
import { Stage } from './harness/stage.ts'
import { runStress } from './stress/run-stress.ts'

const seconds = Number(process.env['SKEIN_STRESS_SECONDS'] ?? 15)
const seed = Number(process.env['SKEIN_STRESS_SEED'] ?? Math.floor(Date.now() / 1000) % 1_000_000)

test(`random sessions for ${seconds} s`, { timeout: (seconds + 90) * 1000 }, async (t) => {
  const stage = new Stage(t)
  const nodes = await startMesh(['home', 'other'])
  stage.add(...nodes)
  await nodes[0]?.addUser('stress@test.com', 'wild-geese-42')
  await eventually(async () => ((await nodes[1]?.users()) ?? []).length === 1, { what: 'the user at the other node' })
  await stage.step(`seed ${seed}`, async () => {
    const { commands, answers, letters } = await runStress(nodes, 'stress@test.com', 'wild-geese-42', seed, seconds)
    t.diagnostic(`${commands} commands, ${answers} untagged answers, ${letters} letters kept; seed ${seed}`)
  })
})
