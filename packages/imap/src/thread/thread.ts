// Threads as values, and as THREAD answers them (RFC 5256 §4). However deep, nothing here calls itself.

export interface Thread {
  /** Place of the message among those that were threaded; -1 for a parent that is not there. */
  message: number
  children: Thread[]
}

/** What threading looks at of one message; messages stand in the order of the mailbox. */
export interface Threadable {
  /** Its Message-ID ('' where there is none), then what it refers to, oldest first. */
  ids: readonly string[]
  /** Base subject. */
  subject: string
  /** The subject says that it is a reply or was forwarded. */
  reply: boolean
  sentMs: number
}

/** One thread after the other, as `(2)(3 6 (4 23)(44 7 96))`. @param number what a message is called. */
export function* formatThreads(threads: readonly Thread[], number: (message: number) => number): Generator<string> {
  for (const thread of threads) yield* formatThread(thread, number)
}

function* formatThread(thread: Thread, number: (message: number) => number): Generator<string> {
  /** What is still to be written, last things first. */
  const waiting: (Thread | string)[] = [')', thread, '(']
  let text = ''
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (typeof next === 'string') {
      text += next
      continue
    }
    const { message, children } = next
    if (message >= 0) text += number(message)
    const [only] = children
    if (children.length === 1 && only !== undefined && message >= 0) {
      text += ' '
      waiting.push(only)
    } else if (children.length > 0) {
      if (message >= 0) text += ' '
      for (let at = children.length - 1; at >= 0; at--) waiting.push(')', children[at] as Thread, '(')
    }
    if (text.length < TEXT_BYTES) continue
    yield text
    text = ''
  }
  yield text
}

const TEXT_BYTES = 16 * 1024
