// The threads that check and sign letters: started when there is work, ended when idle, replaced when they break. A letter
// in the hands of a thread that breaks gets an error, and whoever asked says what that means.
import { getCompileCacheDir } from 'node:module'
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import type { LetterToCheck, LetterToSeal, LetterToSign, MessageVerifier, CheckedLetter } from '@skein/filtering'
import { SkeinError, type Clock, type DnsResolver, type Logger, type Timer } from '@skein/runtime'
import { answerQuestion } from './dns-questions.ts'
import { messageAuthLimits } from './limits.ts'
import type { FromWorker, LetterRequest, ToWorker } from './requests.ts'

export interface VerifierComponents {
  dns: DnsResolver
  clock: Clock
  logger: Logger
}

export interface VerifierSettings {
  /** For SPF's macros. */
  hostName: string
  /** Default: one less than the machine has processors. */
  workers?: number
  /** Default: `answersKeptMs` of the limits. */
  answersKeptMs?: number
}

export interface VerifierPool extends MessageVerifier {
  /** Threads now. */
  workers(): number
  close(): Promise<void>
  /** For tests: as if a thread had crashed. */
  crash(): Promise<void>
}

interface Task {
  request: LetterRequest extends infer Each ? (Each extends LetterRequest ? Omit<Each, 'job' | 'body'> : never) : never
  letter: { bytes(): AsyncIterable<Uint8Array>; size: number }
  resolve(value: never): void
  reject(error: unknown): void
  isOver: boolean
}

interface Running {
  task: Task
  /** Called when the thread has used up the last piece, or is gone. */
  more: () => void
}

interface Thread {
  worker: Worker
  running: Map<number, Running>
  heardMs: number
  usedMs: number
}

export function createVerifierPool(components: VerifierComponents, settings: VerifierSettings): VerifierPool {
  return new Pool(components, settings)
}

class Pool implements VerifierPool {
  readonly #parts: VerifierComponents
  readonly #hostName: string
  readonly #workersMax: number
  readonly #answersKeptMs: number
  readonly #threads = new Set<Thread>()
  readonly #waiting: Task[] = []
  #nextJob = 1
  #watch: Timer | null = null
  #closed = false

  constructor(components: VerifierComponents, { hostName, workers, answersKeptMs }: VerifierSettings) {
    this.#parts = components
    this.#hostName = hostName
    this.#answersKeptMs = answersKeptMs ?? messageAuthLimits.answersKeptMs
    this.#workersMax = workers ?? Math.max(1, Math.min(messageAuthLimits.workersMax, availableParallelism() - 1))
  }

  workers(): number {
    return this.#threads.size
  }

  verify(letter: LetterToCheck, signal: AbortSignal): Promise<CheckedLetter> {
    const { remoteAddress, helo, from } = letter
    const facts = { remoteAddress, helo, from, hostName: this.#hostName, nowMs: this.#parts.clock.nowMs() }
    return this.#run({ kind: 'verify', ...facts }, letter, signal)
  }

  sign(letter: LetterToSign, signal: AbortSignal): Promise<string> {
    const { domain, keys, atMs } = letter
    return this.#run({ kind: 'sign', domain, keys, atMs }, letter, signal)
  }

  async seal(letter: LetterToSeal, signal: AbortSignal): Promise<string> {
    const { domain, keys, atMs, results, chain } = letter
    const [key] = keys
    if (!key || !chain.sealable) return ''
    return this.#run({ kind: 'seal', domain, key, atMs, results, chain: chain.result }, letter, signal)
  }

  #run<Value>(request: Task['request'], letter: Task['letter'], signal: AbortSignal): Promise<Value> {
    if (this.#closed) return Promise.reject(failed('the verifier is closed'))
    if (this.#waiting.length >= messageAuthLimits.waitingLettersMax) {
      return Promise.reject(new SkeinError('verifier-busy', 'temporary', 'too many letters wait to be checked'))
    }
    return new Promise<Value>((resolve, reject) => {
      const limit = this.#parts.clock.setTimer(messageAuthLimits.letterTimeoutMs, () => giveUp('it took too long'))
      const over = () => {
        task.isOver = true
        limit.cancel()
        signal.removeEventListener('abort', calledOff)
      }
      const task: Task = {
        request,
        letter,
        isOver: false,
        resolve(value) {
          over()
          resolve(value)
        },
        reject(error) {
          over()
          reject(error instanceof Error ? error : failed(String(error)))
        },
      }
      const giveUp = (why: string) => {
        if (task.isOver) return
        task.reject(failed(why))
        this.#forget(task)
      }
      const calledOff = () => giveUp('it was called off')
      signal.addEventListener('abort', calledOff)
      if (signal.aborted) return calledOff()
      this.#waiting.push(task)
      this.#fill()
    })
  }

  #forget(task: Task): void {
    const at = this.#waiting.indexOf(task)
    if (at >= 0) this.#waiting.splice(at, 1)
    for (const thread of this.#threads) {
      for (const [job, running] of thread.running) {
        if (running.task !== task) continue
        thread.running.delete(job)
        running.more()
        tell(thread, { kind: 'forget', job })
      }
    }
    this.#fill()
  }

  /** Hands out what waits. */
  #fill(): void {
    while (this.#waiting.length > 0) {
      const thread = this.#freeThread()
      if (!thread) return
      const task = this.#waiting.shift() as Task
      const job = this.#nextJob++
      thread.running.set(job, { task, more: () => {} })
      thread.usedMs = this.#parts.clock.monotonicMs()
      if (thread.running.size === 1) thread.heardMs = thread.usedMs
      void this.#hand(thread, job, task).catch((error: unknown) => {
        thread.running.delete(job)
        tell(thread, { kind: 'forget', job })
        if (!task.isOver) task.reject(error)
        this.#fill()
      })
    }
  }

  /** The one with the least in its hands; a new one while all have some and there may be more. */
  #freeThread(): Thread | undefined {
    let best: Thread | undefined
    for (const thread of this.#threads) if (!best || thread.running.size < best.running.size) best = thread
    if ((!best || best.running.size > 0) && this.#threads.size < this.#workersMax) return this.#start()
    return best && best.running.size < messageAuthLimits.lettersPerWorkerMax ? best : undefined
  }

  #start(): Thread {
    const worker = new Worker(new URL('./worker-start.ts', import.meta.url), {
      name: 'skein-message-auth',
      workerData: { answersKeptMs: this.#answersKeptMs, hasCompileCache: getCompileCacheDir() !== undefined },
      resourceLimits: { maxOldGenerationSizeMb: messageAuthLimits.heapMegabytesMax },
    })
    const nowMs = this.#parts.clock.monotonicMs()
    const thread: Thread = { worker, running: new Map(), heardMs: nowMs, usedMs: nowMs }
    worker.unref()
    worker.on('message', (messages: readonly FromWorker[]) => {
      thread.heardMs = this.#parts.clock.monotonicMs()
      for (const message of messages) this.#heard(thread, message)
      this.#fill()
    })
    worker.on('error', (error) => this.#parts.logger.error({ error: String(error) }, 'a verifying thread failed'))
    worker.on('exit', () => this.#ended(thread))
    this.#threads.add(thread)
    this.#watch ??= this.#watchOver()
    return thread
  }

  async #hand(thread: Thread, job: number, { request, letter }: Task): Promise<void> {
    const { pieceBytes } = messageAuthLimits
    if (letter.size <= pieceBytes) {
      const body = new Uint8Array(letter.size)
      let at = 0
      for await (const chunk of letter.bytes()) {
        body.set(chunk, at)
        at += chunk.length
      }
      return tell(thread, { ...request, job, body }, [body.buffer])
    }
    tell(thread, { ...request, job, body: null })
    for await (const chunk of letter.bytes()) {
      for (let at = 0; at < chunk.length; at += pieceBytes) {
        const running = thread.running.get(job)
        if (!running) return
        const bytes = new Uint8Array(chunk.subarray(at, at + pieceBytes))
        const usedUp = new Promise<void>((resolve) => (running.more = resolve))
        tell(thread, { kind: 'piece', job, bytes }, [bytes.buffer])
        await usedUp
      }
    }
    tell(thread, { kind: 'piece', job, bytes: null })
  }

  #heard(thread: Thread, message: FromWorker): void {
    switch (message.kind) {
      case 'alive':
        return
      case 'more':
        return thread.running.get(message.job)?.more()
      case 'question': {
        const { question, type, name } = message
        void answerQuestion(this.#parts.dns, type, name).then((answer) =>
          tell(thread, { kind: 'answer', question, answer }),
        )
        return
      }
      case 'done':
      case 'failed': {
        const running = thread.running.get(message.job)
        thread.running.delete(message.job)
        thread.usedMs = thread.heardMs
        running?.more()
        if (running && !running.task.isOver) {
          if (message.kind === 'done') running.task.resolve(message.value as never)
          else {
            this.#parts.logger.error({ error: message.message }, 'a letter could not be worked on')
            running.task.reject(failed('an error of ours'))
          }
        }
      }
    }
  }

  #ended(thread: Thread): void {
    this.#threads.delete(thread)
    for (const { task, more } of thread.running.values()) {
      more()
      if (!task.isOver) task.reject(failed('the thread that had it ended'))
    }
    thread.running.clear()
    if (!this.#closed) this.#fill()
  }

  #watchOver(): Timer {
    return this.#parts.clock.setTimer(messageAuthLimits.silentWorkerMs / 3, () => {
      const nowMs = this.#parts.clock.monotonicMs()
      for (const thread of this.#threads) {
        const isStuck = thread.running.size > 0 && nowMs - thread.heardMs > messageAuthLimits.silentWorkerMs
        const isIdle = thread.running.size === 0 && nowMs - thread.usedMs > messageAuthLimits.idleWorkerMs
        if (isStuck) this.#parts.logger.error({}, 'a verifying thread is stuck and is started anew')
        // Nothing more is given to it from now on.
        if (!isStuck && !isIdle) continue
        this.#threads.delete(thread)
        void thread.worker.terminate()
      }
      this.#watch = this.#threads.size > 0 ? this.#watchOver() : null
    })
  }

  async crash(): Promise<void> {
    await Promise.all(Array.from(this.#threads, (thread) => thread.worker.terminate()))
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#watch?.cancel()
    for (const task of this.#waiting.splice(0)) task.reject(failed('the verifier is closed'))
    await this.crash()
  }
}

function tell(thread: Thread, message: ToWorker, transfer: ArrayBuffer[] = []): void {
  thread.worker.postMessage(message, transfer)
}

function failed(why: string): SkeinError {
  return new SkeinError('verifier-failed', 'temporary', `a letter could not be checked: ${why}`)
}
