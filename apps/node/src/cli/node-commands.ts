// skein node list | set | remove, and what a person sees of the mesh's nodes.
import type { Command } from 'commander'
import type { StatusView } from '../control/status-view.ts'
import { contextOf, parseBoolean, parseList, parseWhole, requireAnyOf } from './command-context.ts'
import { table } from './output.ts'
import { readFirstLine } from './secrets.ts'

export interface NodeView {
  name: string
  id: string
  addresses: string[]
  region: string
  priority: number
  enabled: boolean
  relay: boolean
  description: string
  /** As the asked node sees it; itself it sees up, so that the list is the same everywhere while all are connected. */
  state: 'up' | 'down'
  users: number
  version: string
  hostName: string
  witness: boolean
  allow: string[]
}

/** `/ip4/127.0.0.135/tcp/9835/p2p/…` as people write it. */
function shortAddress(multiaddr: string | undefined): string {
  const [, protocol, host, , port] = multiaddr?.split('/') ?? []
  if (!host || !port) return '-'
  return protocol === 'ip6' ? `[${host}]:${port}` : `${host}:${port}`
}

export function addNodeCommands(program: Command): void {
  const node = program.command('node').description('the mesh’s nodes')

  node
    .command('list')
    .description('every node of the mesh, as this one knows it')
    .action(async (_options, command: Command) => {
      const { ask, output } = contextOf(command)
      const nodes = (await ask('node.list')) as NodeView[]
      const { nodeId } = (await ask('status')) as StatusView
      output.result(nodes, () =>
        table(
          ['NAME', 'STATE', 'ADDRESS', 'REGION', 'PRIORITY', 'ENABLED', 'RELAY', 'USERS', 'VERSION', 'DESCRIPTION'],
          nodes.map((entry) => [
            entry.name,
            entry.id === nodeId ? 'this' : entry.state,
            shortAddress(entry.addresses[0]),
            entry.region || '-',
            String(entry.priority),
            entry.enabled ? 'yes' : 'no',
            entry.relay ? 'yes' : 'no',
            String(entry.users),
            entry.version,
            entry.description,
          ]),
        ),
      )
    })

  node
    .command('set')
    .description('change a node’s settings; any node may change any other’s (DI-34)')
    .argument('<name>', 'the node’s name')
    .option('--priority <n>', 'lower is tried first', parseWhole)
    .option('--enabled <true|false>', 'off: takes no hand-overs and is no registrar', parseBoolean)
    .option('--description <text>')
    .option('--region <region>')
    .option('--relay <true|false>', 'may other nodes hand outbound mail to it', parseBoolean)
    .option(
      '--allow <list>',
      'peers’ addresses that may connect: single ones or CIDR; "any" lifts the limit',
      parseList,
    )
    .action(async (name: string, options: Record<string, unknown>, command: Command) => {
      const { ask, output } = contextOf(command)
      const { priority, enabled, description, region, relay } = options
      const allow = options['allow'] as string[] | undefined
      requireAnyOf(command, [priority, enabled, description, region, relay, allow])
      const changed = (await ask('node.set', {
        name,
        priority,
        enabled,
        description,
        region,
        relay,
        allow: allow?.length === 1 && allow[0] === 'any' ? [] : allow,
      })) as NodeView
      output.result(changed, () => `${changed.name} is changed; every node knows it within seconds`)
    })

  node
    .command('remove')
    .description('evict a node: with three members or more, two nodes must say so (run it on a second node too)')
    .argument('<name>', 'the node’s name')
    .option('--recovery-key-stdin', 'the recovery key that "skein init" printed, on standard input: enough alone')
    .option('--reason <text>', 'why; recorded for ever', '')
    .action(async (name: string, options: { recoveryKeyStdin?: boolean; reason: string }, command: Command) => {
      const { ask, output } = contextOf(command)
      const recoveryKey = options.recoveryKeyStdin ? await readFirstLine() : undefined
      const outcome = (await ask('node.remove', { name, reason: options.reason, recoveryKey })) as {
        name: string
        state: 'removed' | 'proposed'
      }
      output.result(outcome, () =>
        outcome.state === 'removed'
          ? `${name} is evicted: it gets no connection and no data any more`
          : `${name} is proposed for eviction; it takes effect when "skein node remove ${name}" is run on another node too`,
      )
    })
}
