// The corpus: real-looking and hurtful messages, made here, the same bytes every time. Names are unique and stable.
import { type CorpusMessage, restartSerial } from './corpus-builder.ts'
import { charsetOddities, charsets } from './corpus-charsets.ts'
import { realistic } from './corpus-realistic.ts'
import { torture } from './corpus-torture.ts'

export type { CorpusMessage } from './corpus-builder.ts'

export function corpus(): CorpusMessage[] {
  restartSerial()
  return [...realistic(), ...charsets(), ...charsetOddities(), ...torture()]
}
