// skein init, invite, join, run, status: a mesh's beginning, a node's day.
import { type Command, InvalidArgumentError } from 'commander'
import type { ProfileName } from '../profile.ts'
import { collect, contextOf, parseCount, parseDuration, parseLifetime } from './command-context.ts'
import { formatTime } from './output.ts'
import { readFirstLine, readPassword } from './secrets.ts'
import type { StatusView } from '../control/status-view.ts'

function parseProfile(text: string): ProfileName {
  if (text === 'standard' || text === 'dev') return text
  throw new InvalidArgumentError('give standard or dev')
}

export function addMeshCommands(program: Command): void {
  addInit(program)
  addInvite(program)
  addJoin(program)
  addRun(program)
  addStatus(program)
}

function addInit(program: Command): void {
  program
    .command('init')
    .description('a new mesh with its first node')
    .requiredOption('--domain <domain>', 'a mail domain of the mesh; may be given again', collect)
    .requiredOption('--name <name>', 'this node’s name')
    .option('--region <region>', 'where it stands', '')
    .option('--bind <address>', 'the one address on which everything listens', '')
    .option('--profile <profile>', 'ports: standard or dev', parseProfile, 'standard')
    .option('--admin <address>', 'a first user, who may administer the mesh')
    .option('--password-stdin', 'read the admin’s password from standard input')
    .action(async (options: Record<string, unknown>, command: Command) => {
      const { initNode } = await import('../init.ts')
      const { paths, output } = contextOf(command)
      const adminAddress = options['admin'] as string | undefined
      const admin =
        adminAddress === undefined
          ? undefined
          : { address: adminAddress, password: await readPassword(options['passwordStdin'] === true) }
      const made = await initNode(paths, {
        domains: options['domain'] as string[],
        name: options['name'] as string,
        region: options['region'] as string,
        bind: options['bind'] as string,
        profile: options['profile'] as ProfileName,
        admin,
      })
      output.result(made, () =>
        [
          `The mesh ${made.meshId} begins with ${made.name} (${made.nodeId}).`,
          '',
          'Recovery key, shown only now; keep it on paper in a safe place. Whoever has it can evict nodes alone:',
          `  ${made.recoveryKey}`,
          '',
          `Settings: ${paths.config}. Start the node with "skein run", then invite others with "skein invite".`,
        ].join('\n'),
      )
    })
}

function addInvite(program: Command): void {
  program
    .command('invite')
    .description('print a token with which a new node joins through any member')
    .option('--ttl <time>', 'how long it is good', parseLifetime, 24 * 3_600_000)
    .option('--uses <n>', 'how many nodes may join with it', parseCount, 1)
    .action(async (options: { ttl: number; uses: number }, command: Command) => {
      const { ask, output } = contextOf(command)
      const invite = (await ask('invite', { ttlMs: options.ttl, uses: options.uses })) as { token: string }
      output.result(invite, () => invite.token)
    })
}

function addJoin(program: Command): void {
  program
    .command('join')
    .description('make this machine a node of the mesh that the token names, through any one of its members')
    .argument('<token>')
    .requiredOption('--name <name>', 'this node’s name')
    .option('--region <region>', 'where it stands', '')
    .option('--bind <address>', 'the one address on which everything listens', '')
    .option('--profile <profile>', 'ports: standard or dev', parseProfile, 'standard')
    .option('--witness', 'votes and witnesses only: homes no mail')
    .option('--mesh-user <user>', 'second factor, where the mesh asks for one; its password on standard input')
    .action(async (token: string, options: Record<string, unknown>, command: Command) => {
      const { joinMesh } = await import('../init.ts')
      const { paths, output } = contextOf(command)
      const user = options['meshUser'] as string | undefined
      const joined = await joinMesh(paths, {
        token,
        name: options['name'] as string,
        region: options['region'] as string,
        bind: options['bind'] as string,
        profile: options['profile'] as ProfileName,
        witness: options['witness'] === true,
        secondFactor: user === undefined ? undefined : { user, password: await readFirstLine() },
      })
      output.result(
        joined,
        () => `${joined.name} (${joined.nodeId}) is a member of ${joined.meshId}. Start it with "skein run".`,
      )
    })
}

function addRun(program: Command): void {
  program
    .command('run')
    .description('the daemon, in the foreground')
    .action(async (_options, command: Command) => {
      const { runNode } = await import('../run.ts')
      const { paths, output } = contextOf(command)
      await runNode(paths, (ready) =>
        output.result(
          ready,
          () =>
            `ready ${ready.name} ${ready.nodeId} ${ready.listeners.map((entry) => `${entry.service}=${entry.address.includes(':') ? `[${entry.address}]` : entry.address}:${entry.port}`).join(' ')}`,
        ),
      )
    })
}

function addStatus(program: Command): void {
  program
    .command('status')
    .description('this node, its peers, its queue and the directory')
    .option('--wait', 'wait until the node is ready')
    .option('--timeout <time>', 'how long to wait', parseDuration, 30_000)
    .action(async (options: { wait?: boolean; timeout: number }, command: Command) => {
      const { ask, output } = contextOf(command)
      const deadlineMs = Date.now() + options.timeout
      for (;;) {
        try {
          const status = (await ask('status')) as StatusView
          output.result(status, () => describeStatus(status))
          return
        } catch (error) {
          if (!options.wait || Date.now() > deadlineMs) throw error
          await new Promise((resolve) => setTimeout(resolve, 100))
        }
      }
    })
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0)
}

function describeStatus(status: StatusView): string {
  const peers = status.peers.map(
    (peer) =>
      `  ${peer.name.padEnd(12)} ${peer.state.padEnd(5)} ${peer.rttMs === null ? '' : `${peer.rttMs.toFixed(1)} ms`}`,
  )
  return [
    `${status.name} (${status.nodeId}), version ${status.version}, up since ${formatTime(status.startedMs)}`,
    `mesh ${status.meshId}: ${status.directory.nodes} nodes, ${status.directory.users} users, ${status.directory.domains} domains`,
    `queue: ${status.queue.letters} letters, ${status.queue.bytes} bytes`,
    `door: ${status.door.visits} visits, ${sum(status.door.refused)} refusals, ${status.door.bans} bans`,
    `certificate: ${status.certificate.selfMade ? 'made by this node, ' : ''}valid until ${formatTime(status.certificate.notAfterMs)}`,
    `memory: ${Math.round(status.memoryBytes / 1024 / 1024)} MiB`,
    'peers:',
    ...(peers.length > 0 ? peers : ['  none']),
    ...status.warnings.map((warning) => `warning: ${warning}`),
  ].join('\n')
}
