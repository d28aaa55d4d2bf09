// The corpus: real-looking and hurtful messages, made here, the same bytes every time. Names are unique and stable.
import { alternatives, attachments } from './corpus-attachments.ts'
import { type CorpusMessage, restartSerial } from './corpus-builder.ts'
import { charsetOddities, charsets } from './corpus-charsets.ts'
import { addresses, extremes } from './corpus-extremes.ts'
import { html, others, plain } from './corpus-letters.ts'
import { boundaries, brokenMime, parameters, transferEncodings } from './corpus-mime.ts'
import { forwards, reports, signed } from './corpus-reports.ts'
import { dots, endings, headers } from './corpus-transport.ts'

export type { CorpusMessage } from './corpus-builder.ts'

export function corpus(): CorpusMessage[] {
  restartSerial()
  return [
    ...plain(),
    ...html(),
    ...alternatives(),
    ...attachments(),
    ...signed(),
    ...reports(),
    ...forwards(),
    ...others(),
    ...charsets(),
    ...charsetOddities(),
    ...endings(),
    ...dots(),
    ...headers(),
    ...brokenMime(),
    ...boundaries(),
    ...parameters(),
    ...transferEncodings(),
    ...extremes(),
    ...addresses(),
  ]
}
