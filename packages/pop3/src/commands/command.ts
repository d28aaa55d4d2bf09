// The shape of a command: its name, the states it is legal in, how to read its arguments, what to do.
import type { Answer } from '../answers.ts'
import type { CommandContext, Session } from '../session.ts'

export interface CommandDefinition<Arguments> {
  readonly name: string
  readonly states: readonly Session['state'][]
  /** @param text what follows the name and one space; '' for nothing. Undefined: wrong arguments. */
  parse(text: string): Arguments | undefined
  run(context: CommandContext, args: Arguments): Answer | Promise<Answer>
}

/** A command in the table, its arguments' type hidden inside. */
export interface Pop3Command {
  readonly name: string
  readonly states: readonly Session['state'][]
  prepare(text: string): ((context: CommandContext) => Answer | Promise<Answer>) | undefined
}

export function defineCommand<Arguments>(definition: CommandDefinition<Arguments>): Pop3Command {
  const { name, states } = definition
  return {
    name,
    states,
    prepare(text) {
      const args = definition.parse(text)
      return args === undefined ? undefined : (context) => definition.run(context, args)
    },
  }
}

export function noArguments(text: string): null | undefined {
  return text === '' ? null : undefined
}

/** Message numbers count from 1. Huge ones are numbers too, of messages that do not exist. */
export function parseNumber(text: string): number | undefined {
  return /^0*[1-9]\d{0,39}$/.test(text) ? Number(text) : undefined
}

/** A message number, or null for all. */
export function parseNumberOrAll(text: string): number | null | undefined {
  return text === '' ? null : parseNumber(text)
}
