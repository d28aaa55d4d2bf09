// A message's bytes, read far enough to know that they can be read: after +OK there is no way to say -ERR.
import type { MessageRecord } from '@skein/mailboxes'
import type { Maildrop } from '../maildrop.ts'

export async function openMessage(
  maildrop: Maildrop,
  message: MessageRecord,
  wholeMessageBytesMax: number,
): Promise<Iterable<Uint8Array> | AsyncIterable<Uint8Array>> {
  if (message.size <= wholeMessageBytesMax) return [await maildrop.body(message)]
  const chunks = maildrop.stream(message)[Symbol.asyncIterator]()
  const first = await chunks.next()
  return restOf(first, chunks)
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
