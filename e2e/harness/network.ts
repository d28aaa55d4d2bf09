// Hosts with a network of their own on this machine (Linux network namespaces on a bridge), whose lines a test can cut and mend.
// Needs root, iproute2 and nftables. A cut drops packets in silence, as a broken line does: nobody gets an error.
import { execFileSync } from 'node:child_process'
import { hasProgram } from '../system-packages.ts'
import { atTheEnd } from './processes.ts'

export interface Host {
  name: string
  address: string
  /** Put before a command to run it on this host. */
  prefix: readonly string[]
}

export class PrivateNetwork {
  readonly hosts: Host[] = []
  private readonly id: string
  private readonly hub: string

  private constructor(id: string) {
    this.id = id
    this.hub = `sk${id}hub`
  }

  /** @returns the sentence that says why not, or false where networks can be made. */
  static whyNot(): string | false {
    if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'needs root on Linux (network namespaces)'
    if (!hasProgram('ip') || !hasProgram('nft')) return 'needs ip and nft (Debian: iproute2 nftables)'
    const name = `skprobe${process.pid}`
    try {
      execFileSync('ip', ['netns', 'add', name], { stdio: 'pipe' })
      execFileSync('ip', ['netns', 'exec', name, 'nft', 'add', 'table', 'inet', 'probe'], { stdio: 'pipe' })
      return false
    } catch (error) {
      const said = String((error as { stderr?: Buffer }).stderr ?? error).trim()
      return `network namespaces or nftables do not work here: ${said.split('\n')[0] ?? ''}`
    } finally {
      try {
        execFileSync('ip', ['netns', 'delete', name], { stdio: 'pipe' })
      } catch {
        // It was never made.
      }
    }
  }

  /** A network of `count` hosts that this process can reach as well. Removed when the process ends, or by `remove()`. */
  static create(count: number): PrivateNetwork {
    const network = new PrivateNetwork((process.pid % 46_656).toString(36))
    atTheEnd(() => network.remove())
    const subnet = `10.${200 + (process.pid % 50)}.${(process.pid >> 6) % 256}`
    try {
      network.build(subnet, count)
      return network
    } catch (error) {
      network.remove()
      throw error
    }
  }

  private build(subnet: string, count: number): void {
    ip('netns', 'add', this.hub)
    ip('-n', this.hub, 'link', 'add', 'bridge0', 'type', 'bridge')
    ip('-n', this.hub, 'link', 'set', 'bridge0', 'up')
    const door = `sk${this.id}door`
    ip('link', 'add', door, 'type', 'veth', 'peer', 'name', 'door', 'netns', this.hub)
    ip('-n', this.hub, 'link', 'set', 'door', 'master', 'bridge0', 'up')
    ip('addr', 'add', `${subnet}.254/24`, 'dev', door)
    ip('link', 'set', door, 'up')
    for (let number = 1; number <= count; number++) {
      const name = `sk${this.id}h${number}`
      ip('netns', 'add', name)
      ip('-n', this.hub, 'link', 'add', `port${number}`, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name)
      ip('-n', this.hub, 'link', 'set', `port${number}`, 'master', 'bridge0', 'up')
      ip('-n', name, 'addr', 'add', `${subnet}.${number}/24`, 'dev', 'eth0')
      ip('-n', name, 'link', 'set', 'eth0', 'up')
      ip('-n', name, 'link', 'set', 'lo', 'up')
      this.hosts.push({ name, address: `${subnet}.${number}`, prefix: ['ip', 'netns', 'exec', name] })
    }
  }

  /** Nothing goes between one side and the other any more; this process still reaches both. */
  cut(side: readonly Host[], others: readonly Host[]): void {
    for (const host of side) {
      const addresses = others.map(({ address }) => address).join(', ')
      const rules = [
        'table inet cut {',
        `  chain in { type filter hook input priority 0; ip saddr { ${addresses} } drop; }`,
        `  chain out { type filter hook output priority 0; ip daddr { ${addresses} } drop; }`,
        '}',
      ]
      execFileSync('ip', [...host.prefix.slice(1), 'nft', '-f', '-'], { input: rules.join('\n'), stdio: 'pipe' })
    }
  }

  mend(): void {
    for (const host of this.hosts) {
      const tables = execFileSync('ip', [...host.prefix.slice(1), 'nft', 'list', 'tables'], { encoding: 'utf8' })
      if (tables.includes('table inet cut')) {
        execFileSync('ip', [...host.prefix.slice(1), 'nft', 'delete', 'table', 'inet', 'cut'], { stdio: 'pipe' })
      }
    }
  }

  remove(): void {
    try {
      execFileSync('ip', ['link', 'delete', `sk${this.id}door`], { stdio: 'pipe' })
    } catch {
      // Gone already.
    }
    for (const name of [...this.hosts.map((host) => host.name), this.hub]) {
      try {
        execFileSync('ip', ['netns', 'delete', name], { stdio: 'pipe' })
      } catch {
        // Gone already.
      }
    }
    this.hosts.length = 0
  }
}

function ip(...args: string[]): void {
  execFileSync('ip', args, { stdio: 'pipe' })
}
