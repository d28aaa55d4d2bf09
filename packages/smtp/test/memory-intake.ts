// An Intake for tests: keeps letters in memory, and fails where a test says so.
import type { Intake, IntakeEnvelope, IntakeSource, LetterWriter, RecipientVerdict } from '@skein/delivery'

export interface TakenLetter {
  envelope: IntakeEnvelope
  bytes: Buffer
}

export interface MemoryIntake extends Intake {
  readonly letters: TakenLetter[]
  readonly aborted: { count: number }
  /** Writers that were begun and neither finished nor aborted. */
  open(): number
  /** Called in `finish`; may throw or wait. */
  beforeFinish: (bytes: Buffer) => Promise<void> | void
  beforeWrite: (chunk: Uint8Array) => Promise<void> | void
  sender: (source: IntakeSource, from: string) => RecipientVerdict
}

export const ownDomains = new Set(['test.example', 'xn--fiq228c.example'])

export function createMemoryIntake(): MemoryIntake {
  const letters: TakenLetter[] = []
  const aborted = { count: 0 }
  let begun = 0
  let ended = 0
  const intake: MemoryIntake = {
    letters,
    aborted,
    open: () => begun - ended,
    beforeFinish: () => {},
    beforeWrite: () => {},
    sender: (source, from) =>
      source.kind === 'submission' && from !== source.account?.address
        ? { kind: 'refused', code: 550, status: '5.7.1', text: `${from} is not yours` }
        : { kind: 'accepted', address: from },
    checkSender: (source, from) => intake.sender(source, from),
    checkRecipient(source, address) {
      const domain = address.slice(address.lastIndexOf('@') + 1).toLowerCase()
      if (address.startsWith('nobody@'))
        return { kind: 'refused', code: 550, status: '5.1.1', text: 'no such user here' }
      if (source.kind === 'submission' || address === 'postmaster' || ownDomains.has(domain)) {
        return { kind: 'accepted', address: address.toLowerCase() }
      }
      return { kind: 'refused', code: 550, status: '5.7.1', text: 'we do not relay' }
    },
    begin(envelope): LetterWriter {
      const chunks: Buffer[] = []
      let length = 0
      begun += 1
      return {
        get length() {
          return length
        },
        write(chunk) {
          chunks.push(Buffer.from(chunk))
          length += chunk.length
          return intake.beforeWrite(chunk)
        },
        async finish() {
          const bytes = Buffer.concat(chunks)
          try {
            await intake.beforeFinish(bytes)
          } finally {
            ended += 1
          }
          letters.push({ envelope, bytes })
          return { queueId: `Q${letters.length}` }
        },
        async abort() {
          ended += 1
          aborted.count += 1
        },
      }
    },
  }
  return intake
}
