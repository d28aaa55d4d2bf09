// A short run of each fuzz target; `npm run fuzz -- --minutes 10` is the long one.
import { test } from 'node:test'
import { fuzzDecoder } from './fuzz/fuzz-decoder.ts'
import { type FuzzAccount, addFuzzAccounts, fuzzNode } from './fuzz/fuzz-node.ts'
import { largeLiterals } from './fuzz/large-literals.ts'
import { startNode } from './harness/skein.ts'
import { Stage } from './harness/stage.ts'

const seed = `${Math.floor(Date.now() / 1000)}`
const seconds = 4

test('fuzz', { timeout: 180_000 }, async (t) => {
  const stage = new Stage(t)
  const node = await startNode({ name: 'fuzz' })
  stage.add(node)
  const accounts = await addFuzzAccounts(node)
  await stage.independent('decoder', async () => {
    t.diagnostic(`decoder: ${JSON.stringify(await fuzzDecoder(seed, seconds))}`)
  })
  for (const target of ['imap', 'pop3'] as const) {
    await stage.independent(target, async () => {
      t.diagnostic(`${target}: ${JSON.stringify(await fuzzNode(node, accounts, target, seed, seconds))}`)
    })
  }
  await stage.independent('20 sessions send 64 MB each', async () => {
    t.diagnostic(JSON.stringify(await largeLiterals(node, accounts[0] as FuzzAccount, 20, 64 * 1024 * 1024)))
  })
})
