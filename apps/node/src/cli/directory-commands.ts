// skein user, domain, alias: what the whole mesh shares.
import type { Command } from 'commander'
import { choice, contextOf, parseBoolean, parseBytes, parseList, parseWhole, requireAnyOf } from './command-context.ts'
import { table } from './output.ts'
import { readPassword } from './secrets.ts'

interface UserLine {
  address: string
  domain: string
  node: string
  replicas: string[]
  state: string
  forward?: { to: string[]; keep: boolean }
}

interface DomainLine {
  name: string
  policy: string
  replicas: number
  mtaSts?: string
  aliasOf?: string
  catchAll?: string
}

/** `a@x,b@y`; a comma within quotes belongs to the address. */
function parseAddresses(text: string): string[] {
  return text.includes('"') ? [text] : parseList(text)
}

const parseNone = (text: string): string => (text === 'none' ? '' : text)
const parseForward = (text: string): string[] => (text === 'none' ? [] : parseAddresses(text))

const roles = ['user', 'domain-admin', 'admin'] as const

export function addDirectoryCommands(program: Command): void {
  addUserCommands(program)
  addDomainCommands(program)
  addAliasCommands(program)
}

function addUserCommands(program: Command): void {
  const user = program.command('user').description('users of the mesh')

  user
    .command('add')
    .description('a new user with a mailbox')
    .argument('<address>')
    .option('--password-stdin', 'read the password from standard input')
    .option('--node <name>', 'the user’s home node (default: this one)')
    .option('--quota <size>', 'e.g. 10G', parseBytes)
    .addOption(choice('--role <role>', roles).default('user'))
    .option('--display-name <name>', 'name shown to others', '')
    .action(async (address: string, options: Record<string, unknown>, command: Command) => {
      const { ask, output } = contextOf(command)
      const password = await readPassword(options['passwordStdin'] === true)
      const added = (await ask('user.add', {
        address,
        password,
        node: options['node'],
        quotaBytes: options['quota'],
        role: options['role'],
        displayName: options['displayName'],
      })) as UserLine
      output.result(
        added,
        () =>
          `${added.address} lives on ${added.node}${added.state === 'provisional' ? ' (provisional until other nodes have confirmed the name)' : ''}`,
      )
    })

  user
    .command('list')
    .description('every user of the mesh; the same on every node (DI-32)')
    .action(async (_options, command: Command) => {
      const { ask, output } = contextOf(command)
      const users = (await ask('user.list')) as UserLine[]
      output.result(users, () =>
        table(
          ['ADDRESS', 'DOMAIN', 'NODE', 'REPLICAS', 'STATE', 'SENT ON TO'],
          users.map((line) => [
            line.address,
            line.domain,
            line.node,
            line.replicas.join(',') || '-',
            line.state,
            line.forward ? `${line.forward.to.join(',')}${line.forward.keep ? ' (kept)' : ''}` : '-',
          ]),
        ),
      )
    })

  user
    .command('set')
    .description('change a user')
    .argument('<address>')
    .option('--password-stdin', 'a new password from standard input')
    .option('--quota <size>', 'e.g. 10G', parseBytes)
    .addOption(choice('--role <role>', roles))
    .addOption(choice('--state <state>', ['active', 'suspended']))
    .option('--display-name <name>')
    .option(
      '--forward <addresses>',
      'where mail goes on to, here or outside: ADDRESS[,ADDRESS…], or none',
      parseForward,
    )
    .option('--keep', 'what goes on goes into the mailbox too (default)')
    .option('--no-keep', 'what goes on does not go into the mailbox')
    .option('--save-sent <true|false>', 'file what is submitted under Sent', parseBoolean)
    .action(async (address: string, options: Record<string, unknown>, command: Command) => {
      const { ask, output } = contextOf(command)
      const { passwordStdin, quota, role, state, displayName, forward, saveSent } = options
      const keep = command.getOptionValueSource('keep') === 'cli' ? options['keep'] : undefined
      requireAnyOf(command, [passwordStdin, quota, role, state, displayName, forward, keep, saveSent])
      const password = passwordStdin === true ? await readPassword(true) : undefined
      const result = await ask('user.set', {
        address,
        password,
        quotaBytes: quota,
        role,
        state,
        displayName,
        forward,
        keep,
        saveSent,
      })
      output.result(result, () => `${address} is changed`)
    })

  user
    .command('remove')
    .description('remove a user, mailbox and mail')
    .argument('<address>')
    .action(async (address: string, _options, command: Command) => {
      const { ask, output } = contextOf(command)
      const result = await ask('user.remove', { address })
      output.result(result, () => `${address} is removed`)
    })

  user
    .command('import')
    .description(
      'many users at once from a text file: one a line, ADDRESS or ADDRESS,PHC-HASH (MI-01); they live on this node',
    )
    .argument('<file>')
    .option('--quota <size>', 'e.g. 10G', parseBytes)
    .action(async (file: string, options: Record<string, unknown>, command: Command) => {
      const { ask, output } = contextOf(command)
      const { readFile } = await import('node:fs/promises')
      const text = await readFile(file, 'utf8')
      const outcome = (await ask('user.import', { text, quotaBytes: options['quota'] })) as {
        added: number
        refused: { line: number; text: string; why: string }[]
      }
      output.result(outcome, () =>
        [
          `${outcome.added} users added`,
          ...outcome.refused.map((entry) => `line ${entry.line} (${entry.text}): ${entry.why}`),
        ].join('\n'),
      )
      if (outcome.refused.length > 0) process.exitCode = 1
    })
}

function addDomainCommands(program: Command): void {
  const domain = program.command('domain').description('mail domains of the mesh')

  domain
    .command('add')
    .argument('<domain>')
    .option('--alias-of <domain>', 'every address here means the same one there')
    .option('--catch-all <address>', 'who gets the mail for addresses that nobody has')
    .action(async (name: string, options: Record<string, unknown>, command: Command) => {
      const { ask, output } = contextOf(command)
      const { aliasOf, catchAll } = options
      const result = await ask('domain.add', { name, aliasOf, catchAll })
      output.result(result, () => `${name} is added`)
    })

  domain.command('list').action(async (_options, command: Command) => {
    const { ask, output } = contextOf(command)
    const domains = (await ask('domain.list')) as DomainLine[]
    output.result(domains, () =>
      table(
        ['DOMAIN', 'POLICY', 'REPLICAS', 'MTA-STS', 'ALIAS OF', 'CATCH-ALL'],
        domains.map(({ name, policy, replicas, mtaSts, aliasOf, catchAll }) => [
          name,
          policy,
          String(replicas),
          mtaSts ?? 'testing',
          aliasOf ?? '-',
          catchAll ?? '-',
        ]),
      ),
    )
  })

  domain
    .command('set')
    .argument('<domain>')
    .addOption(choice('--policy <policy>', ['auto', 'strict', 'local']))
    .option('--replicas <n>', 'copies beside the home', parseWhole)
    .option('--catch-all <address>', 'who gets the mail for addresses that nobody has, or none', parseNone)
    .option('--alias-of <domain>', 'every address here that nobody has means the same one there; or none', parseNone)
    .addOption(
      choice(
        '--mta-sts <mode>',
        ['none', 'testing', 'enforce'],
        'what others do who get no TLS here: none, testing or enforce',
      ),
    )
    .action(async (name: string, options: Record<string, unknown>, command: Command) => {
      const { ask, output } = contextOf(command)
      const { policy, replicas, catchAll, aliasOf, mtaSts } = options
      requireAnyOf(command, [policy, replicas, catchAll, aliasOf, mtaSts])
      const result = await ask('domain.set', { name, policy, replicas, catchAll, aliasOf, mtaSts })
      output.result(result, () => `${name} is changed`)
    })

  domain
    .command('remove')
    .argument('<domain>')
    .action(async (name: string, _options, command: Command) => {
      const { ask, output } = contextOf(command)
      const result = await ask('domain.remove', { name })
      output.result(result, () => `${name} is removed`)
    })
}

function addAliasCommands(program: Command): void {
  const alias = program.command('alias').description('addresses that stand for others')

  alias
    .command('add')
    .argument('<address>')
    .argument('<targets...>', 'one or more addresses, here or outside')
    .action(async (address: string, given: string[], _options, command: Command) => {
      const { ask, output } = contextOf(command)
      const targets = given.flatMap(parseAddresses)
      const result = await ask('alias.add', { address, targets })
      output.result(result, () => `${address} stands for ${targets.join(', ')}`)
    })

  alias.command('list').action(async (_options, command: Command) => {
    const { ask, output } = contextOf(command)
    const aliases = (await ask('alias.list')) as { address: string; targets: string[] }[]
    output.result(aliases, () =>
      table(
        ['ALIAS', 'TARGETS'],
        aliases.map((entry) => [entry.address, entry.targets.join(', ')]),
      ),
    )
  })

  alias
    .command('remove')
    .argument('<address>')
    .action(async (address: string, _options, command: Command) => {
      const { ask, output } = contextOf(command)
      const result = await ask('alias.remove', { address })
      output.result(result, () => `${address} is removed`)
    })
}
