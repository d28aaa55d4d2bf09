// `npm run fuzz -- [--minutes 10] [--seed N] [--target decoder|imap|pop3|literals]`: all targets in turn unless one is named.
// Figures as JSON lines; exit code 1 and the seed at the first failure.
import { parseArgs } from 'node:util'
import { stopNodes, startNode } from '../harness/skein.ts'
import { fuzzDecoder } from './fuzz-decoder.ts'
import { type FuzzAccount, addFuzzAccounts, fuzzNode } from './fuzz-node.ts'
import { largeLiterals } from './large-literals.ts'

const targets = ['decoder', 'imap', 'pop3', 'literals'] as const
const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '10' }, seed: { type: 'string' }, target: { type: 'string' } },
})
const seed = values.seed ?? `${Math.floor(Date.now() / 1000)}`
const seconds = Number(values.minutes) * 60
const chosen = targets.filter((target) => values.target === undefined || values.target === target)
if (chosen.length === 0 || !(seconds > 0)) {
  process.stderr.write(`--target is one of ${targets.join(', ')}; --minutes is a number\n`)
  process.exit(2)
}
async function run(target: (typeof targets)[number]): Promise<unknown> {
  if (target === 'decoder') return fuzzDecoder(seed, seconds)
  const node = await startNode({ name: 'fuzz' })
  let failed = true
  try {
    const accounts = await addFuzzAccounts(node)
    const figures =
      target === 'literals'
        ? await largeLiterals(node, accounts[0] as FuzzAccount, 20, 64 * 1024 * 1024)
        : await fuzzNode(node, accounts, target, seed, seconds)
    failed = false
    return figures
  } finally {
    await stopNodes([node], failed)
  }
}

for (const target of chosen) {
  try {
    process.stdout.write(`${JSON.stringify({ target, seed, figures: await run(target) })}\n`)
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? (error.stack ?? '') : String(error)}\n`)
    process.exitCode = 1
  }
}
