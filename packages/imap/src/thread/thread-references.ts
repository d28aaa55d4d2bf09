// THREAD=REFERENCES (RFC 5256 §3): threads by who answered whom, then by subject.
// Promises: every message stands in the result exactly once, and the time is about linear in the references given,
// whatever they say: links that a message's own header will overrule are never made, so that links are only added, and
// whether one would close a loop is known from which tree its two ends stand in.
import { pacedSort } from '../sort/paced.ts'
import type { Paced } from '../sort/paced.ts'
import { mergeSubjects } from './merge-subjects.ts'
import type { Thread, Threadable } from './thread.ts'

const STEP = 512

/** Messages and ids that are only referred to; messages come first, each under its own number. */
class Containers {
  /** -1: none. */
  readonly parents: number[] = []
  /** Ways towards the root of the tree that a container stands in. */
  readonly #trees: number[] = []

  add(): number {
    this.parents.push(-1)
    return this.#trees.push(this.#trees.length) - 1
  }

  #treeOf(container: number): number {
    let root = container
    while (this.#trees[root] !== root) root = this.#trees[root] as number
    for (let at = container; at !== root;) {
      const next = this.#trees[at] as number
      this.#trees[at] = root
      at = next
    }
    return root
  }

  /** Makes `parent` the parent of a container that has none, unless that would close a loop. */
  link(parent: number, child: number): void {
    // The child is the root of its tree: a loop is closed only from within that tree.
    const tree = this.#treeOf(parent)
    if (tree === this.#treeOf(child)) return
    this.parents[child] = parent
    this.#trees[this.#treeOf(child)] = tree
  }
}

export function* threadReferences(messages: readonly Threadable[]): Paced<Thread[]> {
  const containers = new Containers()
  yield* linkAll(messages, containers)
  const roots = yield* gather(messages, containers)
  const top = yield* sortThreads(roots, messages)
  const merged = yield* mergeSubjects(top, messages)
  return yield* sortDeep(merged, messages)
}

/** Steps 1 and 2. */
function* linkAll(messages: readonly Threadable[], containers: Containers): Paced<void> {
  const byId = new Map<string, number>()
  for (const [at, { ids }] of messages.entries()) {
    containers.add()
    const own = ids[0] ?? ''
    // A second message of one id stands for itself.
    if (own !== '' && !byId.has(own)) byId.set(own, at)
    if (at % STEP === 0) yield
  }
  const find = (id: string): number => {
    let found = byId.get(id)
    if (found === undefined) byId.set(id, (found = containers.add()))
    return found
  }
  let steps = 0
  // Step 1.B: a message's parent is whom it refers to last.
  for (const [at, { ids }] of messages.entries()) {
    if (ids.length > 1) containers.link(find(ids[ids.length - 1] as string), at)
    if (++steps % STEP === 0) yield
  }
  // Step 1.A: ids that stand side by side are parent and child, where the child has no parent yet.
  for (const [at, { ids }] of messages.entries()) {
    for (let place = 2; place < ids.length; place++) {
      if (++steps % STEP === 0) yield
      const child = find(ids[place] as string)
      // What comes later in the mailbox says itself who its parent is.
      if (containers.parents[child] !== -1 || (child > at && child < messages.length)) continue
      containers.link(find(ids[place - 1] as string), child)
    }
  }
}

/** Step 3: those that are only referred to go, and their children move up; but at the top they hold their children together. */
function* gather(messages: readonly Threadable[], { parents }: Containers): Paced<Thread[]> {
  const threads: (Thread | undefined)[] = []
  for (let message = 0; message < messages.length; message++) {
    threads.push({ message, children: [] })
    if (message % STEP === 0) yield
  }
  /** For a container that is no message: the nearest message above it, or itself where it stands at the top. */
  const above: number[] = []
  const roots: Thread[] = []
  const holders: number[] = []
  for (let message = 0; message < messages.length; message++) {
    const parent = yield* nearest(parents[message] as number, messages.length, parents, above)
    const thread = threads[message] as Thread
    if (parent === -1) roots.push(thread)
    else {
      let holder = threads[parent]
      if (holder === undefined) {
        threads[parent] = holder = { message: -1, children: [] }
        holders.push(parent)
      }
      holder.children.push(thread)
    }
    if (message % STEP === 0) yield
  }
  for (const parent of holders) {
    const holder = threads[parent] as Thread
    roots.push(holder.children.length === 1 ? (holder.children[0] as Thread) : holder)
  }
  return roots
}

function* nearest(start: number, messages: number, parents: readonly number[], above: number[]): Paced<number> {
  const passed: number[] = []
  let at = start
  while (at >= messages && above[at] === undefined && parents[at] !== -1) {
    passed.push(at)
    at = parents[at] as number
    if (passed.length % STEP === 0) yield
  }
  const found = at >= messages ? (above[at] ?? at) : at
  for (const container of passed) above[container] = found
  return found
}

/** Step 4: the dummies' children, then the top, by date. */
function* sortThreads(threads: Thread[], messages: readonly Threadable[]): Paced<Thread[]> {
  for (const thread of threads) {
    if (thread.message === -1) thread.children = yield* sortSiblings(thread.children, messages)
  }
  return yield* sortSiblings(threads, messages)
}

/** Ties go by the place in the mailbox. A dummy stands where its first child would. */
function* sortSiblings(siblings: Thread[], messages: readonly Threadable[]): Paced<Thread[]> {
  if (siblings.length < 2) return siblings
  const first = siblings.map(({ message, children }) => (message === -1 ? (children[0] as Thread).message : message))
  const sorted = yield* pacedSort(Uint32Array.from(siblings.keys()), (a, b) => {
    const [one, other] = [first[a] as number, first[b] as number]
    const difference = (messages[one] as Threadable).sentMs - (messages[other] as Threadable).sentMs
    return difference === 0 ? one - other : difference
  })
  return Array.from(sorted, (at) => siblings[at] as Thread)
}

/** Step 6: all siblings by date; dummies stand at the top only. */
function* sortDeep(threads: Thread[], messages: readonly Threadable[]): Paced<Thread[]> {
  const waiting = [...threads]
  let steps = 0
  for (let thread = waiting.pop(); thread !== undefined; thread = waiting.pop()) {
    thread.children = yield* sortSiblings(thread.children, messages)
    for (const child of thread.children) waiting.push(child)
    if (++steps % STEP === 0) yield
  }
  return yield* sortSiblings(threads, messages)
}
