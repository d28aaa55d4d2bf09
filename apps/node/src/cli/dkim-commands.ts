// skein dkim: the keys with which this node signs letters, and new ones in their place.
import type { Command } from 'commander'
import type { DkimKeyState } from '../dkim-keys.ts'
import { contextOf } from './command-context.ts'
import { formatTime, table } from './output.ts'

export function addDkimCommands(program: Command): void {
  const dkim = program.command('dkim').description('the keys with which this node signs letters (DKIM)')

  dkim
    .command('list')
    .description('this node’s keys: used, new (not in the DNS yet), retired (still published)')
    .action(async (_options, command: Command) => {
      const { ask, output } = contextOf(command)
      const keys = (await ask('dkim.list', {})) as DkimKeyState[]
      output.result(keys, () => keyTable(keys))
    })

  dkim
    .command('rotate')
    .description('make new keys; letters are signed with them once the DNS shows them for every domain')
    .action(async (_options, command: Command) => {
      const { ask, output } = contextOf(command)
      const keys = (await ask('dkim.rotate', {})) as DkimKeyState[]
      output.result(keys, () => `${keyTable(keys)}\n\nPublish the new ones: skein dns`)
    })
}

function keyTable(keys: readonly DkimKeyState[]): string {
  return table(
    ['SELECTOR', 'ALGORITHM', 'MADE', 'STATE'],
    keys.map(({ selector, algorithm, madeMs, state }) => [selector, algorithm, formatTime(madeMs), state]),
  )
}
