// skein block, allow, ban: who may come in by SMTP, at every node.
import type { Command } from 'commander'
import { contextOf, parseLifetime } from './command-context.ts'
import { formatTime, table } from './output.ts'

interface RuleLine {
  subject: string
  reason: string
  untilMs: number | null
}

interface BanLine {
  address: string
  reason: string
  sinceMs: number
  untilMs: number
  by: string
}

export function addDoorCommands(program: Command): void {
  addListCommands(program, 'block', 'addresses, networks, domains and senders that are never let in', 'is blocked')
  addListCommands(
    program,
    'allow',
    'addresses, networks, domains and senders that the door always lets in',
    'is allowed',
  )
  addBanCommands(program)
}

function addListCommands(program: Command, list: 'block' | 'allow', description: string, done: string): void {
  const group = program.command(list).description(description)

  group
    .command('add')
    .description('at every node, at once')
    .argument('<subject>', 'an IP address, a network (192.0.2.0/24), a domain or a sender’s address')
    .option('--reason <text>', list === 'block' ? 'told to those who are refused' : 'for other operators', '')
    .option('--for <time>', 'e.g. 7d; otherwise until it is removed', parseLifetime)
    .action(async (subject: string, options: { reason: string; for?: number }, command: Command) => {
      const { ask, output } = contextOf(command)
      const rule = (await ask('rule.add', { list, subject, reason: options.reason, ttlMs: options.for })) as RuleLine
      output.result(rule, () => `${rule.subject} ${done}${until(rule)}`)
    })

  group
    .command('list')
    .description('the whole list')
    .action(async (_options, command: Command) => {
      const { ask, output } = contextOf(command)
      const rules = (await ask('rule.list', { list })) as RuleLine[]
      output.result(rules, () =>
        table(
          ['SUBJECT', 'UNTIL', 'REASON'],
          rules.map((rule) => [rule.subject, rule.untilMs === null ? '' : formatTime(rule.untilMs), rule.reason]),
        ),
      )
    })

  group
    .command('remove')
    .description('off the list')
    .argument('<subject>')
    .action(async (subject: string, _options, command: Command) => {
      const { ask, output } = contextOf(command)
      const removed = (await ask('rule.remove', { list, subject })) as { subject: string }
      output.result(removed, () => `${removed.subject} is off the list`)
    })
}

function until({ untilMs }: RuleLine): string {
  return untilMs === null ? '' : ` until ${formatTime(untilMs)}`
}

function addBanCommands(program: Command): void {
  const ban = program.command('ban').description('addresses that every node sends away for a while')

  ban
    .command('list')
    .description('those that stand now')
    .action(async (_options, command: Command) => {
      const { ask, output } = contextOf(command)
      const bans = (await ask('ban.list')) as BanLine[]
      output.result(bans, () =>
        table(
          ['ADDRESS', 'UNTIL', 'BY', 'REASON'],
          bans.map((one) => [one.address, formatTime(one.untilMs), one.by, one.reason]),
        ),
      )
    })

  ban
    .command('lift')
    .description('lets an address in again, at every node')
    .argument('<address>')
    .action(async (address: string, _options, command: Command) => {
      const { ask, output } = contextOf(command)
      const lifted = await ask('ban.lift', { address })
      output.result(lifted, () => `${address} may come in again`)
    })
}
