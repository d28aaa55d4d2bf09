// A program for terminals in a terminal of its own (tmux): keys go in, the screen is read; ended when the test ends.
import { execFileSync } from 'node:child_process'
import { eventually } from './poll.ts'
import { atTheEnd, mustRun } from './processes.ts'

let terminals = 0

export interface TerminalOptions {
  env?: Record<string, string>
  columns?: number
  rows?: number
}

export class Terminal implements AsyncDisposable {
  private readonly name: string
  private readonly program: string
  private over = false

  private constructor(name: string, program: string) {
    this.name = name
    this.program = program
    atTheEnd(() => this.kill())
  }

  static async start(program: string, args: readonly string[], options: TerminalOptions = {}): Promise<Terminal> {
    terminals += 1
    const terminal = new Terminal(`skein-e2e-${process.pid}-${terminals}`, program)
    const env = Object.entries({ LC_ALL: 'C.UTF-8', ...options.env }).flatMap(([key, value]) => [
      '-e',
      `${key}=${value}`,
    ])
    const size = ['-x', `${options.columns ?? 120}`, '-y', `${options.rows ?? 40}`]
    await terminal.tmux('new-session', '-d', ...size, ...env, program, ...args)
    return terminal
  }

  private async tmux(...args: string[]): Promise<string> {
    const { stdout } = await mustRun('tmux', ['-u', '-f', '/dev/null', '-L', this.name, ...args])
    return stdout
  }

  screen(): Promise<string> {
    return this.tmux('capture-pane', '-p')
  }

  /** Keys by tmux's names, such as `Enter` or `C-c`. */
  async keys(...keys: string[]): Promise<void> {
    await this.tmux('send-keys', ...keys)
  }

  /** Text as it stands. */
  async type(text: string): Promise<void> {
    await this.tmux('send-keys', '-l', text)
  }

  /** @throws Error with the screen as it was last, where `wanted` is not on it in time. */
  async shows(wanted: RegExp, deadlineMs = 20_000): Promise<string> {
    let last = ''
    try {
      return await eventually(
        async () => {
          last = await this.screen()
          return wanted.test(last) ? last : undefined
        },
        { what: `${wanted.source} on the screen of ${this.program}`, deadlineMs },
      )
    } catch (error) {
      throw new Error(`${String(error)}\n${last.trimEnd()}`, { cause: error })
    }
  }

  /** Waits until the program has ended by itself. */
  async ends(): Promise<void> {
    let last = ''
    try {
      await eventually(
        async () => {
          try {
            last = await this.screen()
            return false
          } catch {
            return true
          }
        },
        { what: `the end of ${this.program}` },
      )
    } catch (error) {
      throw new Error(`${String(error)}\n${last.trimEnd()}`, { cause: error })
    }
    this.over = true
  }

  private kill(): void {
    if (this.over) return
    this.over = true
    try {
      execFileSync('tmux', ['-L', this.name, 'kill-server'], { stdio: 'ignore' })
    } catch {
      // It has ended by itself.
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.kill()
  }
}
