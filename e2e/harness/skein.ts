// Real skein nodes as child processes, driven only through the operator contract: commands, flags, files, ports and the ready line.
import { readFileSync, writeFileSync } from 'node:fs'
import { createConnection } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { loopbackAddress } from './addresses.ts'
import { within } from './poll.ts'
import {
  type CommandResult,
  type Exit,
  TrackedProcess,
  describeExit,
  runCommand,
  temporaryDirectory,
  processorMs,
} from './processes.ts'

export const program = fileURLToPath(new URL('../../apps/node/bin/skein.js', import.meta.url))

export const ports = {
  smtp: 10_025,
  submission: 10_587,
  submissions: 10_465,
  imap: 10_143,
  imaps: 10_993,
  pop3: 10_110,
  pop3s: 10_995,
  http: 10_080,
  https: 10_443,
  mesh: 19_835,
} as const

/** Long enough for a busy machine with two cores; the tests' own promises are asserted apart. */
const readyDeadlineMs = 30_000
const stopDeadlineMs = 15_000
/** Below the node's own limit of 64 operator connections. */
const controlConnectionsMax = 60

export interface ReadyLine {
  name: string
  nodeId: string
  listeners: { service: string; address: string; port: number }[]
}

export interface NodeLine {
  name: string
  id: string
  addresses: string[]
  region: string
  priority: number
  enabled: boolean
  description: string
  state: 'up' | 'down'
  users: number
  version: string
}

export interface UserLine {
  address: string
  domain: string
  node: string
  replicas: string[]
  state: string
}

export interface CliOptions {
  input?: string
  prefix?: readonly string[]
  timeoutMs?: number
  env?: Record<string, string>
}

/** Runs one `skein` command to its end. */
export function skein(args: readonly string[], options: CliOptions = {}): Promise<CommandResult> {
  return runCommand(process.execPath, [program, ...args], options)
}

export interface NodeOptions {
  name: string
  domains?: string[]
  /** A loopback address of its own unless given. */
  address?: string
  /** Changes to skein.toml: section -> key -> TOML value. The section '' is the top of the file. */
  settings?: Settings
  /** Put before every command, e.g. to run it in a network namespace. */
  prefix?: readonly string[]
  extraArguments?: string[]
  /** For `skein init`, on its stdin. */
  input?: string
}

export type Settings = Record<string, Record<string, string | number | boolean | string[]>>

/** One node: its data directory, its address, and its process while it runs. */
export class SkeinNode {
  readonly name: string
  readonly address: string
  readonly data: string
  readonly prefix: readonly string[]
  process: TrackedProcess | undefined
  ready: ReadyLine | undefined
  /** From spawn to the ready line, of the last start. */
  startMs = 0
  /** Processor time of that start. */
  startProcessorMs = 0
  private retired = false
  private asking = 0
  private readonly waiting: (() => void)[] = []

  constructor(name: string, address: string, prefix: readonly string[]) {
    this.name = name
    this.address = address
    this.prefix = prefix
    this.data = join(temporaryDirectory(name), 'data')
  }

  /** One operator command on this node's data directory. */
  command(args: readonly string[], options: CliOptions = {}): Promise<CommandResult> {
    return skein([...args, '--data', this.data], { prefix: this.prefix, ...options })
  }

  /** The same, with `--json`; anything but exit code 0 throws. */
  async json<T>(args: readonly string[], options: CliOptions = {}): Promise<T> {
    return JSON.parse(await this.rawJson(args, options)) as T
  }

  /** What the command printed with `--json`, byte for byte. */
  async rawJson(args: readonly string[], options: CliOptions = {}): Promise<string> {
    const result = await this.command([...args, '--json'], options)
    if (result.code !== 0) {
      throw new Error(`skein ${args.join(' ')} on ${this.name}: ${describeExit(result)}: ${result.stderr}`)
    }
    return result.stdout
  }

  async must(args: readonly string[], options: CliOptions = {}): Promise<CommandResult> {
    const result = await this.command(args, options)
    if (result.code !== 0) {
      throw new Error(`skein ${args.join(' ')} on ${this.name}: ${describeExit(result)}: ${result.stderr}`)
    }
    return result
  }

  async addUser(address: string, password: string, ...more: string[]): Promise<void> {
    await this.must(['user', 'add', address, '--password-stdin', ...more], { input: `${password}\n` })
  }

  users(): Promise<UserLine[]> {
    return this.json<UserLine[]>(['user', 'list'])
  }

  nodes(): Promise<NodeLine[]> {
    return this.json<NodeLine[]>(['node', 'list'])
  }

  /** The same request that a command sends, without a process for each: for hundreds of them at once. */
  async ask<T>(op: string, params: unknown = {}): Promise<T> {
    while (this.asking >= controlConnectionsMax) await new Promise<void>((resolve) => this.waiting.push(resolve))
    this.asking += 1
    try {
      return await askControl<T>(join(this.data, 'control.sock'), op, params)
    } finally {
      this.asking -= 1
      this.waiting.shift()?.()
    }
  }

  setSettings(settings: Settings): void {
    const file = join(this.data, 'skein.toml')
    let text = readFileSync(file, 'utf8')
    for (const [section, values] of Object.entries(settings)) {
      for (const [key, value] of Object.entries(values)) text = withSetting(text, section, key, JSON.stringify(value))
    }
    writeFileSync(file, text)
  }

  /** Sections that the file does not have yet, as TOML. */
  appendSettings(toml: string): void {
    const file = join(this.data, 'skein.toml')
    writeFileSync(file, `${readFileSync(file, 'utf8').trimEnd()}\n${toml}`)
  }

  /** Starts the daemon and waits for its ready line. */
  async start(args: readonly string[] = []): Promise<ReadyLine> {
    if (this.process && !this.process.exit) throw new Error(`${this.name} is running already`)
    if (this.retired) throw new Error(`the test is over; ${this.name} is not started again`)
    const started = performance.now()
    this.process = new TrackedProcess(process.execPath, [program, 'run', '--data', this.data, '--json', ...args], {
      prefix: this.prefix,
    })
    this.ready = await this.process.lineOfStdout(
      (line) => (line.startsWith('{') ? (JSON.parse(line) as ReadyLine) : undefined),
      readyDeadlineMs,
      `ready line of ${this.name}`,
    )
    this.startMs = performance.now() - started
    this.startProcessorMs = processorMs(this.process.pid)
    return this.ready
  }

  /** SIGTERM, then waits for the end. */
  async stop(): Promise<Exit | undefined> {
    const child = this.process
    if (!child) return undefined
    child.kill('SIGTERM')
    try {
      return await within(child.exited, stopDeadlineMs, `end of ${this.name} after SIGTERM`)
    } catch (error) {
      child.killNow()
      throw error
    }
  }

  /** Never to be started again: a test that ran out of time may still be in the middle of a restart. */
  retire(): void {
    this.retired = true
  }

  /** SIGKILL: no chance to write anything more. */
  async kill9(): Promise<void> {
    this.process?.kill('SIGKILL')
    await this.process?.exited
  }

  async restart(): Promise<void> {
    if (this.process && !this.process.exit) await this.stop()
    await this.start()
  }

  get log(): string {
    return this.process?.stderr ?? ''
  }
}

/** `text` with `key = value` in `[section]`, replacing a line for that key where the section has one. */
export function withSetting(text: string, section: string, key: string, value: string): string {
  const lines = text.split('\n')
  let start = 0
  if (section !== '') {
    start = lines.findIndex((line) => line.trim() === `[${section}]`) + 1
    if (start === 0) return `${text.trimEnd()}\n\n[${section}]\n${key} = ${value}\n`
  }
  let end = lines.findIndex((line, index) => index >= start && line.trimStart().startsWith('['))
  if (end < 0) end = lines.length
  const at = lines.findIndex(
    (line, index) => index >= start && index < end && line.split('=')[0]?.trim() === key && line.includes('='),
  )
  if (at >= 0) lines[at] = `${key} = ${value}`
  else lines.splice(start, 0, `${key} = ${value}`)
  return lines.join('\n')
}

function askControl<T>(path: string, op: string, params: unknown): Promise<T> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path, () => socket.write(`${JSON.stringify({ op, params })}\n`))
    const pieces: Buffer[] = []
    socket.on('error', reject)
    socket.on('close', () => reject(new Error(`${op}: the node closed the control connection without an answer`)))
    socket.on('data', (chunk: Buffer) => {
      pieces.push(chunk)
      if (chunk.at(-1) !== 0x0a) return
      socket.end()
      const reply = JSON.parse(Buffer.concat(pieces).toString()) as
        | { ok: true; result: T }
        | { ok: false; error: { code: string; text: string } }
      if (reply.ok) resolve(reply.result)
      else reject(new Error(`${op}: ${reply.error.code}: ${reply.error.text}`))
    })
  })
}

/** `skein init`; the node is not started. */
export async function initNode(options: NodeOptions): Promise<SkeinNode> {
  const node = new SkeinNode(options.name, options.address ?? (await loopbackAddress()), options.prefix ?? [])
  const domains = (options.domains ?? ['test.com']).flatMap((domain) => ['--domain', domain])
  const args = ['init', ...domains, '--name', node.name, '--bind', node.address, '--profile', 'dev']
  const input = options.input === undefined ? {} : { input: options.input }
  await node.must([...args, ...(options.extraArguments ?? [])], input)
  if (options.settings) node.setSettings(options.settings)
  return node
}

/** `skein invite` on a running node. */
export async function inviteFrom(node: SkeinNode, ...args: string[]): Promise<string> {
  const { stdout } = await node.must(['invite', ...args])
  return stdout.trim()
}

/** `skein join TOKEN`; the node is not started. */
export async function joinNode(token: string, options: NodeOptions): Promise<SkeinNode> {
  const node = new SkeinNode(options.name, options.address ?? (await loopbackAddress()), options.prefix ?? [])
  const args = ['join', token, '--name', node.name, '--bind', node.address, '--profile', 'dev']
  await node.must([...args, ...(options.extraArguments ?? [])])
  if (options.settings) node.setSettings(options.settings)
  return node
}

/** A running node of its own, with a user for each `name: password`. */
export async function startNode(options: NodeOptions & { users?: Record<string, string> }): Promise<SkeinNode> {
  const node = await initNode(options)
  await node.start()
  for (const [address, password] of Object.entries(options.users ?? {})) await node.addUser(address, password)
  return node
}

/** A running mesh: the first node founds it, the others join through it. */
export async function startMesh(
  names: readonly string[],
  options: Omit<NodeOptions, 'name' | 'address' | 'prefix'> = {},
): Promise<SkeinNode[]> {
  const [first, ...others] = names
  const nodes = [await initNode({ ...options, name: first as string })]
  const founder = nodes[0] as SkeinNode
  await founder.start()
  for (const name of others) {
    const node = await joinNode(await inviteFrom(founder), { ...options, name })
    nodes.push(node)
    await node.start()
  }
  return nodes
}

/** Stops nodes at the end of a test; with a failure, shows the end of each log first. */
export async function stopNodes(nodes: readonly (SkeinNode | undefined)[], failed = false): Promise<void> {
  for (const node of nodes) {
    if (node?.process && failed) {
      process.stderr.write(`---- log of ${node.name} (${node.address}) ----\n${node.log.slice(-8000)}\n`)
    }
  }
  await Promise.all(nodes.map((node) => node?.kill9() ?? Promise.resolve()))
}
