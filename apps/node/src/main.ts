// The `skein` program: the daemon and the operator's commands. Exit codes: 0 done, 1 refused or failed, 2 wrong usage.
import { Command, CommanderError } from 'commander'
import { addDnsCommand } from './cli/dns-commands.ts'
import { addDirectoryCommands } from './cli/directory-commands.ts'
import { addDoorCommands } from './cli/door-commands.ts'
import { addMailCommands } from './cli/mail-commands.ts'
import { addReportCommands } from './cli/report-commands.ts'
import { addMeshCommands } from './cli/mesh-commands.ts'
import { addNodeCommands } from './cli/node-commands.ts'
import { addTlsCommands } from './cli/tls-commands.ts'
import { explain } from './cli/command-context.ts'
import { skeinVersion } from './version.ts'

function createProgram(): Command {
  const program = new Command('skein')
    .description('Skein: a mail server that flocks.')
    .version(skeinVersion)
    .option('--data <dir>', 'the node’s data directory (default ./skein-data, or $SKEIN_DATA)')
    .option('--json', 'one JSON document on stdout')
    .showHelpAfterError('(skein --help lists the commands)')
    .exitOverride()
  addMeshCommands(program)
  addNodeCommands(program)
  addDirectoryCommands(program)
  addMailCommands(program)
  addReportCommands(program)
  addDnsCommand(program)
  addDoorCommands(program)
  addTlsCommands(program)
  inherit(program)
  return program
}

/** `--data` and `--json` may stand before or after the command's name, and every command answers usage errors alike. */
function inherit(command: Command): void {
  for (const child of command.commands) {
    child.exitOverride()
    if (!child.options.some((option) => option.long === '--data')) {
      child.option('--data <dir>', 'the node’s data directory')
    }
    if (!child.options.some((option) => option.long === '--json')) {
      child.option('--json', 'one JSON document on stdout')
    }
    inherit(child)
  }
}

/** @param args without the program's own name */
export async function main(args: string[]): Promise<void> {
  // A reader that went away (`skein user list | head`) is no failure.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0)
    throw error
  })
  try {
    await createProgram().parseAsync(args, { from: 'user' })
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? 0 : 2
      return
    }
    process.stderr.write(`skein: ${explain(error)}\n`)
    process.exitCode = 1
  }
}
