// Every process that the harness starts: captured output, ended by pid when the test ends, however it ends.
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { within } from './poll.ts'

export const harnessLimits = {
  /** Captured output kept of each process; older output goes first. */
  outputCharactersMax: 4 * 1024 * 1024,
  commandTimeoutMs: 60_000,
} as const

/** Milliseconds of processor time that a process has used: the same on a busy machine, where the clock on the wall is not. */
export function processorMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? []
  // utime and stime, in ticks of 10 ms.
  return (Number(fields[11]) + Number(fields[12])) * 10
}

const running = new Set<TrackedProcess>()
const directories = new Set<string>()
const lastTasks: (() => void)[] = []
let watching = false

function endAll(): void {
  for (const child of running) child.killNow()
  for (let task = lastTasks.pop(); task; task = lastTasks.pop()) task()
  for (const directory of directories) rmSync(directory, { recursive: true, force: true, maxRetries: 3 })
}

function watchForTheEnd(): void {
  if (watching) return
  watching = true
  process.on('exit', endAll)
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      endAll()
      process.kill(process.pid, signal)
    })
  }
}

/** Runs when this process ends, by itself or by a signal that can be caught; the last one given runs first. */
export function atTheEnd(task: () => void): void {
  watchForTheEnd()
  lastTasks.push(task)
}

export interface SpawnOptions {
  env?: Record<string, string>
  cwd?: string
  input?: string | Uint8Array
  /** Prefix command, e.g. `['ip', 'netns', 'exec', 'a']`. */
  prefix?: readonly string[]
}

/** The kernel ends the child when this process dies, even by SIGKILL, where setpriv exists. */
function deathSignal(): string[] {
  return existsSync('/usr/bin/setpriv') ? ['/usr/bin/setpriv', '--pdeathsig', 'KILL', '--'] : []
}

export interface Exit {
  code: number | null
  signal: NodeJS.Signals | null
}

export class TrackedProcess {
  readonly child: ChildProcessWithoutNullStreams
  readonly exited: Promise<Exit>
  exit: Exit | undefined
  stdout = ''
  stderr = ''
  private readonly listeners = new Set<() => void>()

  constructor(command: string, args: readonly string[], options: SpawnOptions = {}) {
    watchForTheEnd()
    const [program, ...rest] = [...(options.prefix ?? []), ...deathSignal(), command, ...args]
    this.child = spawn(program as string, rest, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    running.add(this)
    this.exited = new Promise((resolve) => {
      this.child.on('error', (error) => {
        this.stderr += `${String(error)}\n`
        if (this.child.pid === undefined) this.ended({ code: 127, signal: null }, resolve)
      })
      this.child.on('close', (code, signal) => this.ended({ code, signal }, resolve))
    })
    const limit = harnessLimits.outputCharactersMax
    this.child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.stdout = (this.stdout + text).slice(-limit)
      this.changed()
    })
    this.child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.stderr = (this.stderr + text).slice(-limit)
      this.changed()
    })
    // A program that ends before it has read its input is that test's business, not an error here.
    this.child.stdin.on('error', () => undefined)
    this.child.stdin.end(options.input ?? '')
  }

  private ended(exit: Exit, resolve: (exit: Exit) => void): void {
    running.delete(this)
    this.exit = exit
    resolve(exit)
    this.changed()
  }

  private changed(): void {
    for (const listener of this.listeners) listener()
  }

  get pid(): number {
    if (this.child.pid === undefined) throw new Error(`could not be started: ${this.stderr}`)
    return this.child.pid
  }

  /** Resolves with the first line of stdout for which `match` gives a value; rejects when the process ends first. */
  async lineOfStdout<T>(match: (line: string) => T | undefined, deadlineMs: number, what: string): Promise<T> {
    let seen = 0
    const found = new Promise<T>((resolve, reject) => {
      const look = () => {
        const lines = this.stdout.split('\n')
        for (; seen < lines.length - 1; seen++) {
          const value = match(lines[seen] as string)
          if (value === undefined) continue
          this.listeners.delete(look)
          resolve(value)
          return
        }
        if (!this.exit) return
        this.listeners.delete(look)
        reject(new Error(`${what}: the process ended first (${describeExit(this.exit)}): ${this.stderr.slice(-4000)}`))
      }
      this.listeners.add(look)
      look()
    })
    return within(found, deadlineMs, () => `${what}; stderr: ${this.stderr.slice(-4000)}`)
  }

  kill(signal: NodeJS.Signals): void {
    if (!this.exit) this.child.kill(signal)
  }

  killNow(): void {
    try {
      if (this.child.pid !== undefined && !this.exit) process.kill(this.child.pid, 'SIGKILL')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
  }
}

export function describeExit({ code, signal }: Exit): string {
  return signal ? `signal ${signal}` : `exit code ${code}`
}

export interface CommandResult {
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
}

/** Runs a program to its end; never throws for its exit code. */
export async function runCommand(
  command: string,
  args: readonly string[],
  options: SpawnOptions & { timeoutMs?: number } = {},
): Promise<CommandResult> {
  const child = new TrackedProcess(command, args, options)
  const timeoutMs = options.timeoutMs ?? harnessLimits.commandTimeoutMs
  try {
    const { code, signal } = await within(child.exited, timeoutMs, `${command} ${args.join(' ')}`)
    return { code, signal, stdout: child.stdout, stderr: child.stderr }
  } catch (error) {
    child.killNow()
    throw new Error(`${String(error)}\nstdout: ${child.stdout}\nstderr: ${child.stderr}`, { cause: error })
  }
}

/** Like runCommand, but anything other than exit code 0 throws with all that the program said. */
export async function mustRun(
  command: string,
  args: readonly string[],
  options: SpawnOptions & { timeoutMs?: number } = {},
): Promise<CommandResult> {
  const result = await runCommand(command, args, options)
  if (result.code !== 0) {
    throw new Error(
      `${command} ${args.join(' ')}: ${describeExit(result)}\nstdout: ${result.stdout}\nstderr: ${result.stderr}`,
    )
  }
  return result
}

/** A directory that is removed when this process ends (kept with SKEIN_E2E_KEEP=1, to look at what a failure left). */
export function temporaryDirectory(name: string): string {
  watchForTheEnd()
  const directory = mkdtempSync(join(tmpdir(), `skein-e2e-${name}-`))
  if (process.env['SKEIN_E2E_KEEP'] !== '1') directories.add(directory)
  return directory
}

/** Numbers of a user of this machine. @throws Error where there is none of that name */
export function systemUser(name: string): { uid: number; gid: number } {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith(`${name}:`))
  if (!line) throw new Error(`no system user ${name}`)
  const [, , uid, gid] = line.split(':')
  return { uid: Number(uid), gid: Number(gid) }
}
