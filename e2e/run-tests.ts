// `npm test`: every check that a change must pass, in order, with the output as it comes; at the end one line of counts.
//   check  format, lint, types, tidy        unit  packages and apps
//   system packages for e2e                 e2e   real processes, real clients
import { spawn } from 'node:child_process'
import { existsSync, globSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { installPackages, missingClientPackages } from './system-packages.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
/** Test files at once: e2e files wait for processes and timers more than they compute. */
const unitConcurrency = 2
const e2eConcurrency = 3
/** A file that has not ended by then is ended, and counts as failed. */
const fileTimeoutMs = 8 * 60_000

interface Counts {
  passed: number
  failed: number
  skipped: number
}

const total: Counts = { passed: 0, failed: 0, skipped: 0 }
const failedParts: string[] = []
let current: ReturnType<typeof spawn> | undefined

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    current?.kill(signal)
    process.exitCode = 1
  })
}

function say(text: string): void {
  process.stdout.write(`\n== ${text}\n`)
}

/** Runs a program with its output passed on; resolves with its exit code and what it printed on stdout. */
function run(command: string, args: readonly string[]): Promise<{ code: number; stdout: string }> {
  return new Promise((resolve, reject) => {
    // Network tools stand in sbin, which not every shell looks into.
    const path = [join(root, 'node_modules/.bin'), process.env['PATH'] ?? '', '/usr/sbin', '/sbin'].join(delimiter)
    const child = spawn(command, args, {
      cwd: root,
      env: { ...process.env, PATH: path },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    current = child
    let stdout = ''
    child.stdout.on('data', (chunk: Buffer) => {
      process.stdout.write(chunk)
      stdout += chunk.toString('utf8')
    })
    child.on('error', reject)
    child.on('close', (code, signal) => resolve({ code: code ?? (signal ? 1 : 0), stdout }))
  })
}

/** The counts in a node:test summary, or undefined where there is none. */
function countsOf(output: string): Counts | undefined {
  const count = (word: string) => {
    const found = [...output.matchAll(new RegExp(`^(?:\\S+ )?${word} (\\d+)$`, 'gm'))].at(-1)
    return found ? Number(found[1]) : undefined
  }
  const passed = count('pass')
  const failed = count('fail')
  if (passed === undefined || failed === undefined) return undefined
  return {
    passed,
    failed: failed + (count('cancelled') ?? 0),
    skipped: (count('skipped') ?? 0) + (count('todo') ?? 0),
  }
}

/** A step that is one pass or one failure. */
async function check(name: string, command: string, args: readonly string[]): Promise<void> {
  say(name)
  const { code } = await run(command, args)
  if (code === 0) total.passed += 1
  else {
    total.failed += 1
    failedParts.push(name)
  }
}

async function tests(name: string, files: readonly string[], concurrency: number): Promise<void> {
  say(`${name}: ${files.length} files`)
  const missing = files.length === 0
  if (missing) process.stdout.write('no test files\n')
  const { code, stdout } = missing
    ? { code: 1, stdout: '' }
    : await run(process.execPath, [
        '--test',
        '--test-reporter=spec',
        // A test that is over its time may have left something running; its processes end with it.
        '--test-force-exit',
        `--test-concurrency=${concurrency}`,
        `--test-timeout=${fileTimeoutMs}`,
        ...files,
      ])
  const counts = countsOf(stdout)
  total.passed += counts?.passed ?? 0
  total.skipped += counts?.skipped ?? 0
  // A run that ends badly without saying which test failed is a failure too.
  const failed = counts?.failed ?? 0
  total.failed += code !== 0 && failed === 0 ? 1 : failed
  if (code !== 0) failedParts.push(name)
}

function testFiles(...patterns: string[]): string[] {
  return globSync(patterns, { cwd: root, exclude: (path) => path.includes('node_modules') }).sort()
}

const started = performance.now()
await check('format', 'oxfmt', ['--check'])
await check('lint', 'oxlint', ['--type-aware'])
await check('types', 'tsc', ['--noEmit', '-p', 'tsconfig.json'])
await tests('tidy', testFiles('e2e/tidy/*.test.ts'), unitConcurrency)
await tests('unit', testFiles('packages/**/*.test.ts', 'apps/**/*.test.ts'), unitConcurrency)

say('system packages')
const { missing, why } = installPackages(missingClientPackages())
process.stdout.write(
  missing.length === 0 ? 'all there\n' : `missing: ${missing.join(' ')} (${why}); tests that need them are skipped\n`,
)
if (existsSync(join(root, 'apps/node/bin/skein.js'))) {
  await tests('e2e', testFiles('e2e/*.test.ts', 'e2e/harness/*.test.ts', 'e2e/bench/*.test.ts'), e2eConcurrency)
} else {
  total.failed += 1
  failedParts.push('e2e (apps/node/bin/skein.js is missing)')
}

const seconds = Math.round((performance.now() - started) / 1000)
process.stdout.write(`\n${seconds} s${failedParts.length > 0 ? `; failed: ${failedParts.join(', ')}` : ''}\n`)
process.stdout.write(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped\n`)
process.exitCode = total.failed > 0 || failedParts.length > 0 ? 1 : 0
