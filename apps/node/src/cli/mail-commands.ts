// skein queue, trace, check: where a letter waits, which way it went, whether what is stored is whole.
import type { DeadAddress, QueueItem, QueueRecipient, TraceEvent } from '@skein/delivery'
import { SkeinError } from '@skein/runtime'
import type { Command } from 'commander'
import { contextOf } from './command-context.ts'
import { formatTime, table } from './output.ts'

export function addMailCommands(program: Command): void {
  addQueueCommands(program)
  addSuppressionCommands(program)

  program
    .command('trace')
    .description('one letter across all nodes: who took it, why this way, where it waits or lies')
    .argument('<message-id>', 'its Message-ID or queue id')
    .action(async (key: string, _options, command: Command) => {
      const { ask, output } = contextOf(command)
      const found = (await ask('trace', { key })) as {
        events: (TraceEvent & { nodeName: string })[]
        silent: string[]
      }
      output.result(found, () => {
        const lines = found.events.map(
          (event) =>
            `${formatTime(event.atMs)}  ${event.nodeName.padEnd(8)}  ${event.what.padEnd(11)}  ${event.recipient ? `${event.recipient}  ` : ''}${event.detail}`,
        )
        if (found.silent.length > 0) lines.push(`(not asked, because not reachable: ${found.silent.join(', ')})`)
        return lines.join('\n')
      })
      if (found.events.length === 0)
        throw new SkeinError('no-such-letter', 'refused', `no node knows the letter ${key}`)
    })

  program
    .command('check')
    .description('read everything that is stored and say what is not whole')
    .option('--repair', 'rebuild what can be rebuilt')
    .action(async (options: { repair?: boolean }, command: Command) => {
      const { checkNode } = await import('../check.ts')
      const { paths, output, ask } = contextOf(command)
      const report = await checkNode(paths, options.repair === true, ask)
      output.result(report, () =>
        [
          ...report.problems.map(
            (problem) =>
              `${problem.accountId}: ${problem.text} (${problem.code}${problem.repaired ? ', repaired' : ''})`,
          ),
          `${report.accounts} accounts, ${report.mailboxes} mailboxes, ${report.messages} messages, ${report.bytes} bytes read; ${report.problemCount} problems, ${report.repairedCount} repaired`,
        ].join('\n'),
      )
      if (report.problemCount > report.repairedCount) process.exitCode = 1
    })
}

/** As the node lists it: nodes by their names. */
interface ListedLetter extends QueueItem {
  errandOf?: string
  recipients: (QueueRecipient & { relay?: string })[]
}

function why(letter: ListedLetter, recipient: ListedLetter['recipients'][number]): string {
  const { lastResult, handOver, relay } = recipient
  const { errandOf } = letter
  if (isScheduled(letter, recipient) && !lastResult) return 'its sender wants it sent then'
  const said = lastResult ? `${lastResult.code} ${lastResult.status} ${lastResult.text}` : ''
  if (handOver) {
    const does = handOver.phase === 'offered' ? 'is asked to send it' : 'sends it'
    const wish = handOver.wish ? `, asked back to ${handOver.wish === 'hold' ? 'hold' : 'cancel'} it` : ''
    return `${relay ?? handOver.node} ${does}, since ${formatTime(handOver.sinceMs)}${wish}; here: ${said}`
  }
  return errandOf === undefined ? said : `sent for ${errandOf}${said === '' ? '' : `: ${said}`}`
}

function addQueueCommands(program: Command): void {
  const queue = program.command('queue').description('letters that wait to be delivered from here')

  queue.command('list').action(async (_options, command: Command) => {
    const { ask, output } = contextOf(command)
    const items = (await ask('queue.list')) as ListedLetter[]
    output.result(items, () => {
      if (items.length === 0) return 'nothing waits'
      return table(
        ['ID', 'SINCE', 'FROM', 'TO', 'STATE', 'TRIES', 'NEXT', 'WHY'],
        items.flatMap((item) =>
          item.recipients.map((recipient) => [
            item.id,
            formatTime(item.receivedMs),
            item.from || '<>',
            recipient.address,
            isScheduled(item, recipient) ? 'scheduled' : recipient.state,
            String(recipient.attempts),
            recipient.state === 'pending' ? formatTime(recipient.nextAttemptMs) : '-',
            why(item, recipient),
          ]),
        ),
      )
    })
  })

  for (const [name, description, done] of [
    ['retry', 'try now', 'is tried now'],
    ['hold', 'keep until released by retry', 'is held'],
    ['cancel', 'give up; the sender is told', 'is cancelled'],
  ] as const) {
    queue
      .command(name)
      .description(description)
      .argument('<id>')
      .action(async (id: string, _options, command: Command) => {
        const { ask, output } = contextOf(command)
        const result = (await ask(`queue.${name}`, { id })) as { id: string; note?: string }
        output.result(result, () => result.note ?? `${id} ${done}`)
      })
  }
}

/** Waits for the moment that its sender chose (FUTURERELEASE). */
function isScheduled(
  { options }: QueueItem,
  { state, attempts, nextAttemptMs }: QueueItem['recipients'][number],
): boolean {
  return (
    state === 'pending' && attempts === 0 && options?.holdUntilMs !== undefined && nextAttemptMs >= options.holdUntilMs
  )
}

function addSuppressionCommands(program: Command): void {
  const suppression = program.command('suppression').description('addresses outside that letters come back from')

  suppression
    .command('list')
    .description('of all nodes: what came back, and until when users’ letters there are refused')
    .action(async (_options, command: Command) => {
      const { ask, output } = contextOf(command)
      const found = (await ask('suppression.list')) as {
        addresses: (DeadAddress & { node: string })[]
        silent: string[]
      }
      output.result(found, () => {
        const rows = found.addresses.map(({ address, node, failures, refusedUntilMs }) => [
          address,
          node,
          String(failures.length),
          refusedUntilMs > 0 ? formatTime(refusedUntilMs) : '-',
          failures.at(-1)?.said ?? '',
        ])
        const lines = [
          rows.length === 0 ? 'none' : table(['ADDRESS', 'NODE', 'CAME BACK', 'REFUSED UNTIL', 'LAST'], rows),
        ]
        if (found.silent.length > 0) lines.push(`(not asked, because not reachable: ${found.silent.join(', ')})`)
        return lines.join('\n')
      })
    })

  suppression
    .command('remove')
    .description('forget what came back from an address, on all nodes')
    .argument('<address>')
    .action(async (address: string, _options, command: Command) => {
      const { ask, output } = contextOf(command)
      const result = (await ask('suppression.remove', { address })) as { nodes: string[]; silent: string[] }
      output.result(result, () => {
        const silent = result.silent.length > 0 ? `; not reachable: ${result.silent.join(', ')}` : ''
        return `${address} is forgotten on ${result.nodes.join(', ')}${silent}`
      })
    })
}
