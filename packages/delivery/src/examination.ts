// Has a letter examined that is whole and not yet taken; most letters need not be, and are not made to wait for it.
import type { Directory } from '@skein/accounts'
import type { BlobWriter } from '@skein/mailboxes'
import type { Addressees } from './addressees.ts'
import { LetterRefused, type Examination, type IntakeEnvelope, type LetterExaminer, type QueueId } from './ports.ts'
import type { Tracer } from './trace.ts'

export type Taken = Exclude<Examination, { verdict: 'refuse' }>

const nothingFound: Taken = { verdict: 'take', fields: '', detail: '' }

export interface ExaminationComponents {
  directory: Directory
  tracer: Tracer
  examiner?: LetterExaminer
}

/** A letter as the intake holds it: its bytes in memory, or in the log. */
export interface HeldLetter {
  id: QueueId
  messageId: string
  /** Fields that the intake puts on top of what came. */
  added: string
  writer: BlobWriter | null
  held: readonly Uint8Array[]
}

/** @throws LetterRefused, and whatever keeps it from being examined (temporary) */
export function examineLetter(
  parts: ExaminationComponents,
  envelope: IntakeEnvelope,
  { named }: Addressees,
  letter: HeldLetter,
  signal: AbortSignal,
): Promise<Taken> | Taken {
  const { examiner, directory } = parts
  if (!examiner) return nothingFound
  const leaves = named.some(({ address }) => !directory.domain(address.slice(address.lastIndexOf('@') + 1)))
  if (!examiner.concerns(envelope.source, leaves)) return nothingFound
  return examine(examiner, parts.tracer, envelope, leaves, letter, signal)
}

async function examine(
  examiner: LetterExaminer,
  tracer: Tracer,
  { source, from, recipients }: IntakeEnvelope,
  leaves: boolean,
  { id, messageId, added, writer, held }: HeldLetter,
  signal: AbortSignal,
): Promise<Taken> {
  const head = Buffer.from(added)
  const body = writer?.length ?? held.reduce((sum, piece) => sum + piece.length, 0)
  const bytes = async function* () {
    if (head.length > 0) yield head
    yield* writer ? writer.written() : held
  }
  const letter = { id, source, from, recipients, bytes, size: head.length + body, leaves }
  const found = await examiner.examine(letter, signal)
  if (found.verdict !== 'refuse') return found
  const detail = `${found.code} ${found.status} ${found.text}`
  tracer.record({ id, messageId }, [{ what: 'refused', recipient: '', detail }])
  throw new LetterRefused(found)
}
