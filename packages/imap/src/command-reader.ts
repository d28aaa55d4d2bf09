// From the parts of a command to the row of the table that it means, or to why there is none.
// Promises: whatever a client writes becomes a command with its arguments, or a reply; our own faults are logged.
import { findCommand } from './commands/index.ts'
import type { Command, Context } from './commands/command.ts'
import type { LiteralDecision } from './literal-handler.ts'
import { bad, replyToError } from './replies.ts'
import type { Reply } from './replies.ts'
import type { SessionState } from './session.ts'
import { Cursor } from './wire/cursor.ts'
import type { CommandPart, LiteralAnnouncement } from './wire/literal.ts'
import { SyntaxFault } from './wire/syntax-error.ts'

export interface ReadingSession extends Context {
  /** Of the command that is read or runs. */
  tag: string
  logError(error: unknown, message: string, command?: string): void
}

export class CommandReader {
  readonly #session: ReadingSession

  constructor(session: ReadingSession) {
    this.#session = session
  }

  /** The command, with the cursor behind its name; its tag goes to the session. @throws SyntaxFault */
  read(parts: readonly CommandPart[]): { command: Command; cursor: Cursor } {
    const { limits, enabled } = this.#session
    this.#session.tag = '*'
    const cursor = new Cursor(parts, { nestingDepthMax: limits.nestingDepthMax, utf8: enabled.utf8 })
    this.#session.tag = cursor.tag()
    cursor.space()
    return { command: this.#find(cursor), cursor }
  }

  #find(cursor: Cursor): Command {
    const { state, enabled } = this.#session
    const command = findCommand(cursor)
    if (command === undefined) throw new SyntaxFault('there is no such command')
    if (!command.states.includes(state.kind)) throw new SyntaxFault(stateText(command, state))
    // RFC 9586 §3.
    if (enabled.uidOnly && command.keepsNumbers === true) {
      throw new SyntaxFault('sequence numbers are switched off: use the UID form', 'UIDREQUIRED')
    }
    return command
  }

  /** What the command that is being read wants done with a literal. */
  decide(parts: readonly CommandPart[], announcement: LiteralAnnouncement): { tag: string; decision: LiteralDecision } {
    let decision: LiteralDecision
    try {
      const { command, cursor } = this.read(parts)
      decision = command.intake?.(this.#session).accept(cursor, announcement) ?? 'hold'
    } catch (error) {
      decision = this.failure(error)
    }
    return { tag: this.#session.tag, decision }
  }

  /** What a failure is answered with. */
  failure(error: unknown, command?: Command): Reply {
    if (error instanceof SyntaxFault) {
      return bad(error.message.charAt(0).toUpperCase() + error.message.slice(1), error.code)
    }
    const { reply, unexpected } = replyToError(error, command?.hasDestination === true)
    if (unexpected) this.#session.logError(error, 'an IMAP command failed', command?.name)
    return reply
  }
}

function stateText(command: Command, state: SessionState): string {
  if (command.states.includes('not-authenticated')) return `${command.name} comes before login`
  if (state.kind === 'not-authenticated') return `${command.name} needs a login first`
  return `${command.name} needs a selected mailbox`
}
