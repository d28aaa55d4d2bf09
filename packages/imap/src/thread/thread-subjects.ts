// THREAD=ORDEREDSUBJECT (RFC 5256 §3): messages of one base subject, by their date; the first is the others' parent.
import { pacedSort } from '../sort/paced.ts'
import type { Paced } from '../sort/paced.ts'
import type { Thread, Threadable } from './thread.ts'

const STEP = 1024

export function* threadSubjects(messages: readonly Threadable[]): Paced<Thread[]> {
  const byDate = yield* pacedSort(Uint32Array.from(messages.keys()), (a, b) => {
    const difference = (messages[a] as Threadable).sentMs - (messages[b] as Threadable).sentMs
    return difference === 0 ? a - b : difference
  })
  // In the order of dates the first of a subject is its thread's first, and threads come in the order of their firsts.
  const bySubject = new Map<string, Thread>()
  let done = 0
  for (const message of byDate) {
    const { subject } = messages[message] as Threadable
    const thread = { message, children: [] }
    const first = bySubject.get(subject)
    if (first === undefined) bySubject.set(subject, thread)
    else first.children.push(thread)
    if (++done % STEP === 0) yield
  }
  return [...bySubject.values()]
}
