// `npm run sim -- --seed N [--nodes 3..7] [--seconds S] [--seeds K] [--ablation NAME] [--verbose]`
import { parseArgs } from 'node:util'
import { ablations, type AblationName } from './ablations.ts'
import { simulate, type SimulationOutcome, type SimulationSettings } from './simulation.ts'

const usage = `usage: npm run sim -- [--seed N] [--seeds K] [--nodes 3..7] [--seconds S] [--ablation NAME] [--verbose]
  --seed N      the first seed (default 1); a run depends on its seed and settings alone
  --seeds K     so many seeds, one after the other (default 1)
  --nodes N     nodes of the mesh (default: 3 to 5, by the seed)
  --seconds S   virtual seconds of load (default 12)
  --ablation N  one rule off: ${Object.keys(ablations).join(', ')}
  --verbose     every event as it happens`

interface Wanted extends SimulationSettings {
  seeds: number
}

function wholeNumber(text: string | undefined, name: string, from: number, to: number): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (!Number.isInteger(value) || value < from || value > to) {
    throw new Error(`--${name} takes a whole number from ${from} to ${to}`)
  }
  return value
}

function read(args: string[]): Wanted {
  const { values } = parseArgs({
    args,
    options: {
      seed: { type: 'string' },
      seeds: { type: 'string' },
      nodes: { type: 'string' },
      seconds: { type: 'string' },
      ablation: { type: 'string' },
      verbose: { type: 'boolean' },
    },
  })
  const nodes = wholeNumber(values.nodes, 'nodes', 3, 7)
  const seconds = wholeNumber(values.seconds, 'seconds', 1, 3600)
  if (values.ablation !== undefined && !(values.ablation in ablations)) {
    throw new Error(`there is no ablation "${values.ablation}"`)
  }
  return {
    seed: wholeNumber(values.seed, 'seed', 0, 2 ** 31) ?? 1,
    seeds: wholeNumber(values.seeds, 'seeds', 1, 1e6) ?? 1,
    ...(nodes !== undefined && { nodes }),
    ...(seconds !== undefined && { seconds }),
    ...(values.ablation !== undefined && { ablation: values.ablation as AblationName }),
    ...(values.verbose && { print: (line: string) => void process.stdout.write(`${line}\n`) }),
  }
}

/** The command that gives the same run again. */
function replay({ seed, nodes, seconds, ablation }: SimulationSettings): string {
  return [
    `npm run sim -- --seed ${seed}`,
    ...(nodes === undefined ? [] : [`--nodes ${nodes}`]),
    ...(seconds === undefined ? [] : [`--seconds ${seconds}`]),
    ...(ablation === undefined ? [] : [`--ablation ${ablation}`]),
  ].join(' ')
}

function line(outcome: SimulationOutcome, tookMs: number): string {
  const { seed, nodes, letters, acknowledged, users, crashes, partitions, events, hash, failures } = outcome
  return (
    `seed ${seed}: ${nodes} nodes, ${users} users, ${letters} letters (${acknowledged} acknowledged), ${crashes} crashes, ` +
    `${partitions} partitions, ${events} events, ${Math.round(tookMs)} ms, ${hash.slice(0, 16)}: ` +
    (failures.length === 0 ? 'ok' : `${failures.length} FAILURES`)
  )
}

async function main(): Promise<number> {
  let wanted: Wanted
  try {
    wanted = read(process.argv.slice(2))
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${usage}\n`)
    return 2
  }
  let failed = 0
  const { seeds, ...settings } = wanted
  for (let seed = settings.seed; seed < settings.seed + seeds; seed++) {
    const started = performance.now()
    const outcome = await simulate({ ...settings, seed })
    process.stdout.write(`${line(outcome, performance.now() - started)}\n`)
    if (outcome.failures.length === 0) continue
    failed++
    const report = [...outcome.failures.map((it) => `  - ${it}`), ...outcome.trace.map((it) => `    ${it}`)]
    process.stdout.write(`${report.join('\n')}\n  again: ${replay({ ...settings, seed })}\n`)
  }
  if (seeds > 1) process.stdout.write(`${seeds - failed} of ${seeds} seeds ok\n`)
  return failed === 0 ? 0 : 1
}

if (import.meta.main) process.exitCode = await main()
