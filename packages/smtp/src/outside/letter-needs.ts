// Which extensions a letter can't do without, looked at in its bytes only where the host lacks one that was asked for.
import type { QueueItem, QueueRecipient } from '@skein/delivery'
import type { MessageLog } from '@skein/mailboxes'
import { isAscii } from '../wire/mail-path.ts'
import { outsideBytes } from './outside-letter.ts'

export interface LetterNeeds {
  smtpUtf8: boolean
  eightBit: boolean
}

/** @param extensions what the host announced. */
export async function needsOf(
  item: QueueItem,
  recipients: readonly QueueRecipient[],
  log: MessageLog,
  extensions: ReadonlyMap<string, string>,
): Promise<LetterNeeds> {
  const hasUtf8Address = !isAscii(item.from) || recipients.some(({ address }) => !isAscii(address))
  const lacksUtf8 = item.smtpUtf8 && !extensions.has('SMTPUTF8')
  const lacksEightBit = item.eightBit && !extensions.has('8BITMIME')
  if (!lacksUtf8 && !lacksEightBit) return { smtpUtf8: item.smtpUtf8 || hasUtf8Address, eightBit: item.eightBit }
  // Programs ask for both as a matter of course, also for letters of plain ASCII.
  const eightBitAt = await findEightBit(item, log)
  return {
    smtpUtf8: hasUtf8Address || (item.smtpUtf8 && eightBitAt === 'header'),
    eightBit: item.eightBit && eightBitAt !== null,
  }
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
