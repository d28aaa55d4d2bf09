// Takes letters from the front doors. When `finish` has resolved the letter is ours: either in every mailbox that it is
// for, or durably in the queue. When it has thrown, nothing was kept, and whoever sent it still has it.
import { SkeinError } from '@skein/runtime'
import { IncomingLetter, type IntakeComponents, type IntakeSettings } from './incoming-letter.ts'
import type { Intake, IntakeEnvelope, IntakeSource, LetterWriter, RecipientVerdict } from './ports.ts'
import { checkRecipient } from './recipient-check.ts'
import { checkSender } from './sender-check.ts'

export type { IntakeComponents, IntakeSettings } from './incoming-letter.ts'

export class DeliveryIntake implements Intake {
  readonly #parts: IntakeComponents
  readonly #settings: IntakeSettings
  readonly #finishing = new Set<Promise<unknown>>()
  #stopping = new AbortController()
  #open = false
  /** Letters that went into mailboxes without touching the queue. */
  direct = 0

  constructor(components: IntakeComponents, settings: IntakeSettings) {
    this.#parts = components
    this.#settings = settings
  }

  start(): void {
    this.#stopping = new AbortController()
    this.#open = true
  }

  /** Takes nothing new; resolves when what was being finished is. */
  async stop(): Promise<void> {
    this.#open = false
    this.#stopping.abort(new SkeinError('shutting-down', 'temporary', 'this node is stopping'))
    while (this.#finishing.size > 0) await Promise.allSettled(this.#finishing)
  }

  checkSender(source: IntakeSource, from: string): RecipientVerdict {
    const verdict = checkSender(this.#parts.directory, source, from, this.#settings.routes)
    return verdict.kind === 'accepted' ? (this.#spent(source) ?? verdict) : verdict
  }

  checkRecipient(source: IntakeSource, address: string, from?: string, size?: number): RecipientVerdict {
    const { directory, full, suppression } = this.#parts
    const components = {
      directory,
      isOverQuota: (account: string) => full.has(account, size),
      deadAddress: (outside: string) => suppression.refusal(outside),
    }
    const verdict = checkRecipient(components, source, address, this.#settings.routes, from)
    return verdict.kind === 'accepted' ? (this.#spent(source) ?? verdict) : verdict
  }

  /** He has sent as much as one user may for now. */
  #spent({ kind, account }: IntakeSource): RecipientVerdict | undefined {
    return kind === 'submission' && account ? this.#parts.allowance.refusal(account.id) : undefined
  }

  begin(envelope: IntakeEnvelope): LetterWriter {
    const letter = new IncomingLetter(this.#parts, this.#settings, envelope)
    return {
      get length() {
        return letter.length
      },
      write: (chunk) => letter.write(chunk),
      abort: () => letter.abort(),
      finish: async () => {
        if (!this.#open) {
          await letter.abort()
          throw new SkeinError('shutting-down', 'temporary', 'this node is stopping')
        }
        const work = letter.finish(this.#stopping.signal)
        this.#finishing.add(work)
        try {
          const outcome = await work
          if (outcome.direct) this.direct++
          return { queueId: outcome.queueId, junk: outcome.junk }
        } finally {
          this.#finishing.delete(work)
        }
      },
    }
  }
}
