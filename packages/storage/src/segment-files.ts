// The segment files of a message log by name, and a bounded set of open descriptors to read them.
import { join } from 'node:path'
import type { Disk } from './disk.ts'
import type { SegmentKind } from './record-format.ts'

/** One segment as it is known in memory. */
export interface Segment {
  number: number
  kind: SegmentKind
  /** 0 as written; each compaction adds one and brings a map from old to new offsets. */
  generation: number
  /** Bytes of the file that are in use. */
  size: number
  /** Bytes of records that a holder has let go; a hint for compaction. */
  releasedBytes: number
  /** When it took its last record; undefined for the one that is being written. */
  sealedMs: number | undefined
}

const namePattern = /^([0-9a-f]{8})\.(seg|big)(?:\.(\d{1,6}))?$/

export function segmentName(segment: Pick<Segment, 'number' | 'kind' | 'generation'>): string {
  const name = `${segment.number.toString(16).padStart(8, '0')}.${segment.kind === 'solo' ? 'big' : 'seg'}`
  return segment.generation > 0 ? `${name}.${segment.generation}` : name
}

/** The map of a compacted segment lies beside it. */
export function offsetMapName(segment: Pick<Segment, 'number' | 'kind' | 'generation'>): string {
  return `${segmentName(segment)}.map`
}

export function parseSegmentName(name: string): Pick<Segment, 'number' | 'kind' | 'generation'> | undefined {
  const match = namePattern.exec(name)
  if (!match?.[1]) return undefined
  return {
    number: Number.parseInt(match[1], 16),
    kind: match[2] === 'big' ? 'solo' : 'packed',
    generation: match[3] ? Number(match[3]) : 0,
  }
}

interface OpenFile {
  fd: Promise<number>
  users: number
  /** Closed by its last user. */
  unwanted: boolean
}

/** Descriptors for reading: opened when needed, the longest unused closed first. */
export class OpenFiles {
  readonly #disk: Disk
  readonly #directory: string
  readonly #max: number
  readonly #files = new Map<string, OpenFile>()

  constructor(disk: Disk, directory: string, max: number) {
    this.#disk = disk
    this.#directory = directory
    this.#max = max
  }

  /** Runs `task` with an open descriptor of the file. */
  async use<Result>(name: string, task: (fd: number) => Promise<Result>): Promise<Result> {
    const file = this.#acquire(name)
    try {
      return await task(await file.fd)
    } finally {
      this.#release(file)
    }
  }

  #acquire(name: string): OpenFile {
    let file = this.#files.get(name)
    if (file) {
      this.#files.delete(name)
    } else {
      const fd = this.#disk.open(join(this.#directory, name), 'r')
      const opened: OpenFile = { fd, users: 0, unwanted: false }
      fd.catch(() => {
        opened.unwanted = true
        if (this.#files.get(name) === opened) this.#files.delete(name)
      })
      file = opened
    }
    this.#files.set(name, file)
    file.users += 1
    if (this.#files.size > this.#max) this.#closeOldest()
    return file
  }

  #closeOldest(): void {
    for (const [name, file] of this.#files) {
      if (this.#files.size <= this.#max) return
      if (file.users === 0) this.forget(name)
    }
  }

  #release(file: OpenFile): void {
    file.users -= 1
    if (file.unwanted && file.users === 0) this.#close(file)
  }

  #close(file: OpenFile): void {
    file.fd.then((fd) => this.#disk.close(fd)).catch(() => {})
  }

  /** The name will not be asked for again; readers that are at it may finish. */
  forget(name: string): void {
    const file = this.#files.get(name)
    if (!file) return
    this.#files.delete(name)
    file.unwanted = true
    if (file.users === 0) this.#close(file)
  }

  closeAll(): void {
    for (const name of this.#files.keys()) this.forget(name)
  }

  get count(): number {
    return this.#files.size
  }
}
