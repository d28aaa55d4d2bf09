// Which extensions a letter can't do without, looked at in its bytes only where the host lacks one that was asked for.
import type { QueueItem, QueueRecipient } from '@skein/delivery'
import { type ConversionPlan, type TransferTarget, ConversionSurvey } from '@skein/mail'
import type { MessageLog } from '@skein/mailboxes'
import { isAscii } from '../wire/mail-path.ts'
import { outsideBytes } from './outside-letter.ts'

export interface LetterNeeds {
  smtpUtf8: boolean
  /** How its bytes go: `binary` by BDAT. */
  body: '7bit' | '8bit' | 'binary'
  /** The host takes less than the letter has: how it is converted on its way (RFC 6152 §3). */
  plan: ConversionPlan | null
  /** Why that can't be done; '' where it can, or need not. */
  stuck: string
}

type Extensions = ReadonlyMap<string, string>

/** @param extensions what the host announced. */
export async function needsOf(
  item: QueueItem,
  recipients: readonly QueueRecipient[],
  log: MessageLog,
  extensions: Extensions,
): Promise<LetterNeeds> {
  const hasUtf8Address = !isAscii(item.from) || recipients.some(({ address }) => !isAscii(address))
  const lacksUtf8 = item.smtpUtf8 && !extensions.has('SMTPUTF8')
  const lacksEightBit = item.eightBit && !extensions.has('8BITMIME')
  const isBinary = item.options?.binary === true
  const lacksBinary = isBinary && !(extensions.has('BINARYMIME') && extensions.has('CHUNKING'))
  const body = isBinary ? 'binary' : item.eightBit ? '8bit' : '7bit'
  const asItIs: LetterNeeds = { smtpUtf8: item.smtpUtf8 || hasUtf8Address, body, plan: null, stuck: '' }
  if (!lacksUtf8 && !lacksEightBit && !lacksBinary) return asItIs
  // Programs ask for all of that as a matter of course, also for letters of plain ASCII.
  const eightBitAt = lacksUtf8 || lacksEightBit ? await findEightBit(item, log) : null
  const smtpUtf8 = lacksUtf8 ? hasUtf8Address || eightBitAt === 'header' : asItIs.smtpUtf8
  if (!lacksBinary && !(lacksEightBit && eightBitAt !== null)) {
    return { ...asItIs, smtpUtf8, body: lacksEightBit ? '7bit' : body }
  }
  return { smtpUtf8, ...(await conversionOf(item, log, extensions.has('8BITMIME') ? '8bit' : '7bit', isBinary)) }
}

async function conversionOf(
  item: QueueItem,
  log: MessageLog,
  target: TransferTarget,
  mayBeBinary: boolean,
): Promise<Omit<LetterNeeds, 'smtpUtf8'>> {
  const survey = new ConversionSurvey(target, { mayBeBinary })
  for await (const chunk of outsideBytes(item, log)) survey.push(chunk)
  const found = survey.end()
  const plan = found.kind === 'convert' ? found.plan : null
  return { body: target, plan, stuck: found.kind === 'impossible' ? found.why : '' }
}

async function findEightBit(item: QueueItem, log: MessageLog): Promise<'header' | 'body' | null> {
  let tail = ''
  let inHeader = true
  for await (const chunk of outsideBytes(item, log)) {
    const text = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength).toString('latin1')
    if (inHeader) {
      const joined = tail + text
      const end = joined.search(/\r?\n\r?\n/)
      if (!isAscii(end < 0 ? joined : joined.slice(0, end))) return 'header'
      inHeader = end < 0
      tail = joined.slice(-3)
    }
    if (!isAscii(text)) return 'body'
  }
  return null
}
