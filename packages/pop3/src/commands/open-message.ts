// A message's bytes, read far enough to know that they can be read: after +OK there is no way to say -ERR.
import type { MessageRecord } from '@skein/mailboxes'
import type { Maildrop } from '../maildrop.ts'

/** The whole message. */
export async function openMessage(
  maildrop: Maildrop,
  number: number,
  message: MessageRecord,
  wholeMessageBytesMax: number,
): Promise<Uint8Array | AsyncIterable<Uint8Array>> {
  if (message.size <= wholeMessageBytesMax) return maildrop.whole(number)
  const chunks = maildrop.stream(message)[Symbol.asyncIterator]()
  return restOf(await chunks.next(), chunks)
}

/** Its first bytes, and the rest only where somebody goes on reading. */
export async function openTop(
  maildrop: Maildrop,
  message: MessageRecord,
  firstReadBytes: number,
): Promise<AsyncIterable<Uint8Array>> {
  const first = await maildrop.body(message, 0, Math.min(message.size, firstReadBytes))
  return withRest(first, maildrop, message)
}

async function* withRest(
  first: Uint8Array,
  maildrop: Maildrop,
  message: MessageRecord,
): AsyncGenerator<Uint8Array, void, undefined> {
  yield first
  if (first.length < message.size) yield* maildrop.stream(message, first.length)
}

async function* restOf(
  first: IteratorResult<Uint8Array>,
  chunks: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    for (let step = first; step.done !== true; step = await chunks.next()) yield step.value
  } finally {
    await chunks.return?.()
  }
}
