import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { atOnce } from '../sort/paced.ts'
import { formatThreads } from './thread.ts'
import type { Thread, Threadable } from './thread.ts'
import { threadReferences } from './thread-references.ts'
import { threadSubjects } from './thread-subjects.ts'

const letter = (ids: string[], sentMs: number, subject = '', reply = false): Threadable => ({
  ids,
  subject,
  reply,
  sentMs,
})

const written = (threads: Thread[]) => [...formatThreads(threads, (message) => message + 1)].join('')

const references = (messages: readonly Threadable[]) => written(atOnce(threadReferences(messages)))

/** Reads what THREAD answers, as RFC 5256 §5 has it. */
function parse(text: string): Thread[] {
  let at = 0
  const take = (char: string) => assert.equal(text[at++], char, `at ${at} of ${text}`)
  const list = (): Thread => {
    take('(')
    const root: Thread = { message: -1, children: [] }
    let parent = root
    while (text[at] !== ')') {
      if (text[at] === '(') {
        while (text[at] === '(') parent.children.push(list())
        break
      }
      const digits = /\d+/y
      digits.lastIndex = at
      const number = digits.exec(text)?.[0] ?? assert.fail(`no number at ${at} of ${text}`)
      at += number.length
      const next: Thread = { message: Number(number) - 1, children: [] }
      parent.children.push(next)
      parent = next
      if (text[at] !== ')') take(' ')
    }
    take(')')
    return root.children.length === 1 ? (root.children[0] as Thread) : root
  }
  const threads: Thread[] = []
  while (at < text.length) threads.push(list())
  return threads
}

function membersOf(threads: readonly Thread[]): number[] {
  return threads.flatMap(({ message, children }) => [...(message === -1 ? [] : [message]), ...membersOf(children)])
}

const id = fc.constantFrom('', 'a', 'b', 'c', 'd', 'e', 'f', 'g')
const mailbox = fc.array(
  fc.record({
    ids: fc
      .tuple(
        id,
        fc.array(
          id.filter((text) => text !== ''),
          { maxLength: 5 },
        ),
      )
      .map(([own, others]) => [own, ...others]),
    subject: fc.constantFrom('', 'X', 'Y'),
    reply: fc.boolean(),
    sentMs: fc.integer({ min: 0, max: 3 }),
  }),
  { maxLength: 12 },
)

test('every message stands in the threads once, and what is written reads back', () => {
  fc.assert(
    fc.property(mailbox, (messages) => {
      for (const algorithm of [threadReferences, threadSubjects]) {
        const threads = atOnce(algorithm(messages))
        assert.deepEqual(
          membersOf(threads).sort((a, b) => a - b),
          [...messages.keys()],
        )
        assert.deepEqual(parse(written(threads)), threads)
      }
    }),
    { numRuns: 2000 },
  )
})

/** Steps 1 to 3 as RFC 5256 words them: links are made and broken one after the other. */
function stepByStep(messages: readonly Threadable[]): (number | undefined)[] {
  interface Node {
    message: number
    parent: Node | undefined
  }
  const byId = new Map<string, Node>()
  const find = (name: string) => {
    const known = byId.get(name) ?? { message: -1, parent: undefined }
    byId.set(name, known)
    return known
  }
  const isAbove = (node: Node, other: Node | undefined): boolean => {
    for (let at = other; at !== undefined; at = at.parent) if (at === node) return true
    return false
  }
  const nodes = messages.map(({ ids: [own = '', ...others] }, message) => {
    let node = own === '' ? { message: -1, parent: undefined } : find(own)
    if (node.message !== -1) node = { message: -1, parent: undefined }
    node.message = message
    for (let at = 1; at < others.length; at++) {
      const [parent, child] = [find(others[at - 1] as string), find(others[at] as string)]
      if (child.parent === undefined && !isAbove(child, parent)) child.parent = parent
    }
    const last = others.at(-1)
    node.parent = undefined
    if (last !== undefined && !isAbove(node, find(last))) node.parent = find(last)
    return node
  })
  return nodes.map((node) => {
    let above = node.parent
    while (above !== undefined && above.message === -1) above = above.parent
    return above?.message
  })
}

test('parents are those of the RFC, where nobody refers to what came after', () => {
  const late = fc.array(fc.array(fc.nat({ max: 30 }), { maxLength: 4 }), { minLength: 1, maxLength: 12 })
  fc.assert(
    fc.property(late, fc.func(fc.nat()), (chains, order) => {
      // Ids are numbers; a letter refers to smaller ones only, in rising order. Odd ids have no letter here.
      const letters = chains.map((chain, at) => {
        const own = 2 * at
        const known = [...new Set(chain)].filter((number) => number < own).sort((a, b) => a - b)
        return letter([own, ...known].map(String), at)
      })
      const shuffled = letters.toSorted((a, b) => order(a.ids[0]) - order(b.ids[0]))
      const parents: (number | undefined)[] = shuffled.map(() => undefined)
      const walk = (threads: readonly Thread[], parent: number | undefined): void => {
        for (const { message, children } of threads) {
          if (message !== -1) parents[message] = parent
          walk(children, message === -1 ? undefined : message)
        }
      }
      walk(atOnce(threadReferences(shuffled)), undefined)
      assert.deepEqual(parents, stepByStep(shuffled))
    }),
    { numRuns: 1000 },
  )
})

test('replies, parents that are not there, and threads of one subject', () => {
  assert.equal(references([]), '')
  assert.equal(references([letter(['a'], 1), letter(['b', 'a'], 2), letter(['c', 'a', 'b'], 3)]), '(1 2 3)')
  assert.equal(references([letter(['a'], 1), letter(['b', 'a'], 3), letter(['c', 'a'], 2)]), '(1 (3)(2))')
  // RFC 5256 §4: the parent of two is not there.
  assert.equal(references([letter(['b', 'x'], 1), letter(['c', 'x'], 2)]), '((1)(2))')
  assert.equal(references([letter(['b', 'x', 'y'], 1)]), '(1)')
  assert.equal(references([letter([''], 2, 'S', true), letter([''], 1, 'S', false)]), '(2 1)')
  assert.equal(references([letter([''], 1, 'S'), letter([''], 2, 'S')]), '((1)(2))')
  assert.equal(
    references([letter([''], 1, 'S', true), letter([''], 2, 'S', true), letter([''], 3, 'S', true)]),
    '((1)(2)(3))',
  )
  assert.equal(
    references([letter(['b', 'x'], 1, 'S'), letter(['c', 'x'], 2, 'S'), letter(['d'], 3, 'S')]),
    '((1)(2)(3))',
  )
  assert.equal(references([letter([''], 1), letter([''], 2)]), '(1)(2)')
  // A letter says itself whom it answers, whatever others say of it.
  assert.equal(references([letter(['c', 'x', 'b'], 1), letter(['b', 'a'], 2), letter(['a'], 3)]), '(3 2 1)')
  assert.equal(references([letter(['c', 'x', 'b'], 3), letter(['b'], 2), letter(['x'], 1)]), '(3)(2 1)')
  // Loops.
  assert.equal(references([letter(['a', 'b'], 1), letter(['b', 'a'], 2)]), '(2 1)')
  assert.equal(references([letter(['a', 'a'], 1)]), '(1)')
})

test('by subject: the first is the parent of the others', () => {
  const messages = [letter([], 3, 'A'), letter([], 1, 'A'), letter([], 2, 'B'), letter([], 4, 'A')]
  assert.equal(written(atOnce(threadSubjects(messages))), '(2 (1)(4))(3)')
})

const COUNT = 100_000

const hostile: Readonly<Record<string, (at: number) => Threadable>> = {
  'a chain': (at) => letter([`${at}`, `${at - 1}`], at),
  'a chain from its end': (at) => letter([`${COUNT - at}`, `${COUNT - at - 1}`], at),
  'a ring': (at) => letter([`${at}`, `${(at + 1) % COUNT}`], at),
  'a chain of which every second letter is missing': (at) =>
    letter([`${2 * at}`, `${2 * at - 2}`, `${2 * at - 1}`], at),
  'one parent': (at) => letter([`${at}`, 'x'], COUNT - at),
  'a tree as deep as it is wide': (at) => letter([`${at}`, `${at - 1 - (at % 2)}`], at),
  'one subject': (at) => letter([''], at, 'S', at % 2 === 0),
  'long references': (at) => letter([`${at}`, ...Array.from({ length: 10 }, (_, back) => `${at * 7 - back * 13}`)], at),
  'missing letters only': (at) => letter(['', `x${at}`, `x${at + 1}`, `x${at + 2}`], at),
}

for (const [name, make] of Object.entries(hostile)) {
  test(`100,000 messages: ${name}`, () => {
    const messages = Array.from({ length: COUNT }, (_, at) => make(at))
    const work = threadReferences(messages)
    const started = performance.now()
    let longest = 0
    let step = work.next()
    while (step.done !== true) {
      const before = performance.now()
      step = work.next()
      longest = Math.max(longest, performance.now() - before)
    }
    const text = written(step.value)
    assert.equal(text.match(/\d+/g)?.length, COUNT)
    assert.ok(performance.now() - started < 20_000, `${performance.now() - started} ms`)
    assert.ok(longest < 1_000, `one step took ${longest} ms`)
  })
}
