// The node's side of the search worker: started when there is something to do, started anew when it fails, ended when idle.
import { Worker } from 'node:worker_threads'
import { SkeinError } from '@skein/runtime'
import type { Clock, Logger, Timer } from '@skein/runtime'
import { searchLimits } from './limits.ts'
import type { SearchAnswers, SearchMessage, SearchReply, SearchRequest } from './requests.ts'

/** The worker ended before it answered: what it had not written is lost. */
export class WorkerGone extends Error {}

interface Pending {
  resolve(value: never): void
  reject(error: unknown): void
  sinceMs: number
}

export interface SearchWorkerParts {
  directory: string
  clock: Clock
  logger: Logger
  /** Called when the worker ended unasked. */
  lost(): void
  /** Whether the worker holds what is not on disk yet. */
  holdsWork(): boolean
}

export class SearchWorker {
  readonly #parts: SearchWorkerParts
  readonly #pending = new Map<number, Pending>()
  #worker: Worker | null = null
  #next = 1
  #watch: Timer | null = null
  #usedMs = 0
  #closed = false

  constructor(parts: SearchWorkerParts) {
    this.#parts = parts
  }

  /** @throws WorkerGone; SkeinError `search-index-failed` where the worker says that it can't. */
  request<Request extends SearchRequest>(
    request: Request,
    transfer: readonly ArrayBuffer[] = [],
  ): Promise<SearchAnswers[Request['kind']]> {
    if (this.#closed) return Promise.reject(new WorkerGone('search is closed'))
    const worker = this.#running()
    const id = this.#next++
    const nowMs = this.#parts.clock.monotonicMs()
    this.#usedMs = nowMs
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject, sinceMs: nowMs })
      const message: SearchMessage = { ...request, id }
      worker.postMessage(message, transfer)
    })
  }

  #running(): Worker {
    if (this.#worker !== null) return this.#worker
    const worker = new Worker(new URL('./worker.ts', import.meta.url), {
      name: 'skein-search',
      workerData: { directory: this.#parts.directory },
      resourceLimits: { maxOldGenerationSizeMb: searchLimits.heapMegabytesMax },
    })
    worker.unref()
    worker.on('message', (reply: SearchReply) => this.#answered(reply))
    worker.on('error', (error) => this.#parts.logger.error({ error: String(error) }, 'the search worker failed'))
    worker.on('exit', () => this.#ended(worker))
    this.#worker = worker
    this.#watchOver()
    return worker
  }

  #answered(reply: SearchReply): void {
    const pending = this.#pending.get(reply.id)
    this.#pending.delete(reply.id)
    const nowMs = this.#parts.clock.monotonicMs()
    this.#usedMs = nowMs
    // Work is done in turn: those behind it start to count now.
    for (const other of this.#pending.values()) other.sinceMs = nowMs
    if (reply.ok) return pending?.resolve(reply.value as never)
    this.#parts.logger.warn({ error: reply.message, damaged: reply.damaged }, 'the search index could not be used')
    pending?.reject(new SkeinError('search-index-failed', 'temporary', 'the search index could not be used'))
  }

  #ended(worker: Worker): void {
    if (this.#worker !== worker) return
    this.#worker = null
    this.#watch?.cancel()
    const lost = [...this.#pending.values()]
    this.#pending.clear()
    for (const { reject } of lost) reject(new WorkerGone('the search worker ended'))
    if (!this.#closed) this.#parts.lost()
  }

  #watchOver(): void {
    this.#watch = this.#parts.clock.setTimer(5000, () => {
      const nowMs = this.#parts.clock.monotonicMs()
      const stuck = [...this.#pending.values()].some(({ sinceMs }) => nowMs - sinceMs > searchLimits.stuckMs)
      const idle = this.#pending.size === 0 && nowMs - this.#usedMs > searchLimits.idleWorkerMs
      if (stuck || (idle && !this.#parts.holdsWork())) {
        if (stuck) this.#parts.logger.error({}, 'the search worker is stuck and is started anew')
        const worker = this.#worker
        if (idle) this.#worker = null
        void worker?.terminate()
      } else this.#watchOver()
    })
  }

  /** For tests: as if it had crashed. */
  async kill(): Promise<void> {
    await this.#worker?.terminate()
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#watch?.cancel()
    await this.#worker?.terminate()
  }
}
