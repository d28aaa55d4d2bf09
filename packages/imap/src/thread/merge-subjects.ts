// Step 5 of THREAD=REFERENCES (RFC 5256 §3): threads of one base subject become one.
import type { Paced } from '../sort/paced.ts'
import type { Thread, Threadable } from './thread.ts'

const STEP = 512

/** @param threads sorted; dummies have their children sorted. The threads given are changed. */
export function* mergeSubjects(threads: readonly Thread[], messages: readonly Threadable[]): Paced<Thread[]> {
  const wordsOf = (thread: Thread): Threadable =>
    messages[thread.message === -1 ? (thread.children[0] as Thread).message : thread.message] as Threadable
  const isReply = (thread: Thread) => thread.message !== -1 && (messages[thread.message] as Threadable).reply
  const table = new Map<string, Thread>()
  let steps = 0
  // Step 5.B: the thread that the others of its subject join.
  for (const thread of threads) {
    const { subject } = wordsOf(thread)
    const known = table.get(subject)
    const better =
      known === undefined || (thread.message === -1 && known.message !== -1) || (isReply(known) && !isReply(thread))
    if (subject !== '' && better) table.set(subject, thread)
    if (++steps % STEP === 0) yield
  }
  // Step 5.C. `subjects` first: joining changes what a thread's first message is.
  const subjects = threads.map((thread) => wordsOf(thread).subject)
  /** What has been joined to something else, or replaced by what holds it. */
  const gone = new Set<Thread>()
  const added = new Map<Thread, Thread>()
  for (const [at, thread] of threads.entries()) {
    if (++steps % STEP === 0) yield
    const subject = subjects[at] as string
    const known = table.get(subject)
    if (subject === '' || known === undefined || known === thread || gone.has(thread)) continue
    gone.add(thread)
    if (thread.message === -1 && known.message === -1) {
      for (const child of thread.children) known.children.push(child)
    } else if (known.message === -1 || (isReply(thread) && !isReply(known))) {
      known.children.push(thread)
    } else {
      const holder: Thread = { message: -1, children: [known, thread] }
      gone.add(known)
      added.set(known, holder)
      table.set(subject, holder)
    }
  }
  return threads.flatMap((thread) => {
    const holder = added.get(thread)
    if (holder !== undefined) return [holder]
    return gone.has(thread) ? [] : [thread]
  })
}
