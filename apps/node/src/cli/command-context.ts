// What every command gets: where the data is, how to print, how to ask the running node.
import { SkeinError } from '@skein/runtime'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { askNode } from '../control/client.ts'
import { type DataDirectory, dataDirectory } from '../data-directory.ts'
import { type Output, createOutput } from './output.ts'

export interface CommandContext {
  paths: DataDirectory
  output: Output
  ask(op: string, params?: unknown): Promise<unknown>
}

/** From the global options of any (sub)command. */
export function contextOf(command: Command): CommandContext {
  const options = command.optsWithGlobals<{ data?: string; json?: boolean }>()
  const paths = dataDirectory(options.data ?? process.env['SKEIN_DATA'] ?? './skein-data')
  return {
    paths,
    output: createOutput(options.json === true),
    ask: (op, params) => askNode(paths.controlSocket, op, params),
  }
}

const unitMs: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** `24h`, `30s`, `7d`, `500ms` in milliseconds. */
export function parseDuration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text)
  if (!match) throw new InvalidArgumentError('give a number with a unit: 500ms, 30s, 15m, 24h or 7d')
  return Number(match[1]) * (unitMs[match[2] as string] as number)
}

/** `10G`, `500M`, `1T`, plain bytes. */
export function parseBytes(text: string): number {
  const match = /^(\d+(?:\.\d+)?)([KMGT]?)(?:i?B)?$/i.exec(text)
  if (!match) throw new InvalidArgumentError('give a size such as 500M or 10G')
  const power = ['', 'K', 'M', 'G', 'T'].indexOf((match[2] as string).toUpperCase())
  return Math.round(Number(match[1]) * 1024 ** power)
}

export function parseWhole(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('give a whole number')
  return Number(text)
}

/** A whole number that is not nothing. */
export function parseCount(text: string): number {
  const count = parseWhole(text)
  if (count < 1) throw new InvalidArgumentError('give a whole number from 1')
  return count
}

/** A time that is not over at once. */
export function parseLifetime(text: string): number {
  const ms = parseDuration(text)
  if (ms < 1) throw new InvalidArgumentError('give a time that is longer than nothing')
  return ms
}

/** An option that takes one of a few words: another word is wrong usage. */
export function choice(flags: string, words: readonly string[], description?: string): Option {
  const list = `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`
  return new Option(flags, description ?? list).argParser((text: string) => {
    if (words.includes(text)) return text
    throw new InvalidArgumentError(`give ${list}`)
  })
}

/** Ends a command that changes settings and was given none. */
export function requireAnyOf(command: Command, values: readonly unknown[]): void {
  if (values.every((value) => value === undefined)) {
    command.error(`error: nothing to change: give at least one of the options`, { exitCode: 2 })
  }
}

export function parseBoolean(text: string): boolean {
  if (text === 'true' || text === 'false') return text === 'true'
  throw new InvalidArgumentError('give true or false')
}

export function collect(value: string, before: string[] = []): string[] {
  return [...before, value]
}

/** Splits `a,b;c` as people write lists. */
export function parseList(text: string): string[] {
  return text
    .split(/[,;\s]+/)
    .map((part) => part.trim())
    .filter((part) => part !== '')
}

/** One clear sentence on stderr; internal mistakes also show where they happened. */
export function explain(error: unknown): string {
  if (error instanceof SkeinError) return error.message
  // The system's own words for what it refused (ENOENT, EACCES, …): the message says it all.
  if (error instanceof Error && 'syscall' in error) return error.message
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
