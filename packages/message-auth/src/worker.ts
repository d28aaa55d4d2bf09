// A verifying thread: takes letters, whole or in pieces, asks its DNS questions of the node, and answers. Holds nothing else.
import { parentPort, workerData } from 'node:worker_threads'
import type { CheckedLetter, SpfCheck } from '@skein/filtering'
import { Kept } from './kept.ts'
import { messageAuthLimits } from './limits.ts'
import type { DnsAnswer, FromWorker, LetterRequest, QuestionType, ToWorker } from './requests.ts'
import { sealLetter } from './seal-letter.ts'
import { signLetter } from './sign-letter.ts'
import { verifyLetter, type Resolver } from './verify-letter.ts'

const port = parentPort
if (port === null) throw new Error('this runs in a worker')
const { answersKeptMs } = workerData as { answersKeptMs: number }

/** What is said while messages are worked through goes as one: to wake the other thread costs as much as checking a signature. */
let unsaid: FromWorker[] = []

function say(message: FromWorker): void {
  if (unsaid.push(message) === 1) setImmediate(sayAll)
}

function sayAll(): void {
  port?.postMessage(unsaid)
  unsaid = []
}

interface Job {
  pieces: Uint8Array[]
  isWhole: boolean
  isForgotten: boolean
  wake: () => void
}

/** The node has the cache; this only spares it the questions of letters that come one after the other. */
const kept = new Kept<DnsAnswer>(answersKeptMs, messageAuthLimits.answersKeptMax)
const spfMemory = new Kept<SpfCheck>(answersKeptMs, messageAuthLimits.spfKeptMax)

const jobs = new Map<number, Job>()
const questions = new Map<number, (answer: DnsAnswer) => void>()
let nextQuestion = 1

setInterval(() => {
  if (jobs.size > 0) say({ kind: 'alive' })
}, messageAuthLimits.silentWorkerMs / 5).unref()

port.on('message', (message: ToWorker) => {
  switch (message.kind) {
    case 'answer':
      questions.get(message.question)?.(message.answer)
      questions.delete(message.question)
      return
    case 'piece': {
      const job = jobs.get(message.job)
      if (!job) return
      if (message.bytes === null) job.isWhole = true
      else job.pieces.push(message.bytes)
      return job.wake()
    }
    case 'forget': {
      const job = jobs.get(message.job)
      if (job) job.isForgotten = true
      return job?.wake()
    }
    default:
      void run(message)
  }
})

async function run(request: LetterRequest): Promise<void> {
  const { body } = request
  const job: Job = { pieces: body ? [body] : [], isWhole: body !== null, isForgotten: false, wake: () => {} }
  jobs.set(request.job, job)
  try {
    const letter = piecesOf(request.job, job, body === null)
    say({ kind: 'done', job: request.job, value: await work(request, letter) })
  } catch (error) {
    say({
      kind: 'failed',
      job: request.job,
      message: error instanceof Error ? (error.stack ?? error.message) : String(error),
    })
  } finally {
    jobs.delete(request.job)
  }
}

function work(request: LetterRequest, letter: AsyncIterable<Uint8Array>): Promise<CheckedLetter | string> {
  if (request.kind === 'verify') return verifyLetter(letter, request, resolver(), spfMemory)
  return request.kind === 'sign' ? signLetter(letter, request) : sealLetter(letter, request)
}

async function* piecesOf(id: number, job: Job, asks: boolean): AsyncIterable<Uint8Array> {
  for (;;) {
    if (job.isForgotten) throw new Error('nobody waits for this letter')
    const piece = job.pieces.shift()
    if (piece) {
      yield piece
      if (asks) say({ kind: 'more', job: id })
    } else if (job.isWhole) return
    else await new Promise<void>((resolve) => (job.wake = resolve))
  }
}

/** Asks each question once for a letter. */
function resolver(): Resolver {
  const asked = new Map<string, Promise<unknown[]>>()
  return (name, type) => {
    const key = `${type} ${name.toLowerCase().replace(/\.$/, '')}`
    let answer = asked.get(key)
    if (!answer) {
      answer =
        asked.size < messageAuthLimits.questionsMax ? ask(name, type) : Promise.reject(dnsError('ESERVFAIL', name))
      answer.catch(() => {})
      asked.set(key, answer)
    }
    // mailauth sorts what it gets.
    return answer.then((records) => [...records])
  }
}

const types: ReadonlySet<string> = new Set(['A', 'AAAA', 'MX', 'PTR', 'TXT'])

async function ask(name: string, type: string): Promise<unknown[]> {
  if (!types.has(type)) throw dnsError('ENODATA', name)
  const key = `${type} ${name}`
  const known = kept.get(key)
  const answer = known ?? (await askNode(name, type as QuestionType))
  const isSettled = !('code' in answer) || answer.code === 'ENOTFOUND' || answer.code === 'ENODATA'
  if (!known && isSettled) kept.keep(key, answer)
  if ('code' in answer) throw dnsError(answer.code, name)
  return answer.records
}

function askNode(name: string, type: QuestionType): Promise<DnsAnswer> {
  const question = nextQuestion++
  return new Promise((resolve) => {
    questions.set(question, resolve)
    say({ kind: 'question', question, type, name })
  })
}

function dnsError(code: string, name: string): Error {
  return Object.assign(new Error(`${code} ${name}`), { code })
}
