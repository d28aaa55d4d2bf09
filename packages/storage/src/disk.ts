// The few file operations that the message log is made of, by file descriptor; tests put failing ones in their place.
import * as fs from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'

export interface Disk {
  open(path: string, flags: string, mode?: number): Promise<number>
  close(fd: number): Promise<void>
  /** Bytes read; fewer than asked only at the end of the file. */
  read(fd: number, into: Uint8Array, position: number): Promise<number>
  /** Writes everything, or throws. */
  writev(fd: number, parts: readonly Uint8Array[], position: number): Promise<void>
  fdatasync(fd: number): Promise<void>
  /** A file to which `writeDurably` goes. @param fresh made, or emptied */
  openDurable(path: string, fresh: boolean): Promise<number>
  /** As `writev`, on a file from `openDurable`: resolves when the bytes are on the disk as fdatasync would put them. */
  writeDurably(fd: number, parts: readonly Uint8Array[], position: number): Promise<void>
  truncate(fd: number, length: number): Promise<void>
  size(fd: number): Promise<number>
  /** Makes new, renamed and removed names of a directory durable. */
  syncDirectory(path: string): Promise<void>
}

function call<Result>(start: (done: (error: Error | null, result?: Result) => void) => void): Promise<Result> {
  return new Promise((resolve, reject) => {
    start((error, result) => (error ? reject(error) : resolve(result as Result)))
  })
}

/** The parts that remain after the first `written` bytes. */
function after(parts: readonly Uint8Array[], written: number): Uint8Array[] {
  const rest: Uint8Array[] = []
  let skip = written
  for (const part of parts) {
    if (skip >= part.length) skip -= part.length
    else {
      rest.push(skip > 0 ? part.subarray(skip) : part)
      skip = 0
    }
  }
  return rest
}

// One call that writes and syncs takes a fifth less of the main thread than two. Not every system has it.
const dataSync: number | undefined = fs.constants.O_DSYNC

export const nodeDisk: Disk = {
  open: (path, flags, mode = 0o600) => call((done) => fs.open(path, flags, mode, done)),
  close: (fd) => call((done) => fs.close(fd, done)),

  async read(fd, into, position) {
    let total = 0
    while (total < into.length) {
      const count = await call<number>((done) => fs.read(fd, into, total, into.length - total, position + total, done))
      if (count === 0) break
      total += count
    }
    return total
  },

  async writev(fd, parts, position) {
    let rest = parts
    let at = position
    while (rest.length > 0) {
      const written = await call<number>((done) => fs.writev(fd, rest as Uint8Array[], at, done))
      at += written
      rest = after(rest, written)
    }
  },

  openDurable(path, fresh) {
    const { O_RDWR, O_CREAT, O_TRUNC } = fs.constants
    const flags = O_RDWR | (fresh ? O_CREAT | O_TRUNC : 0) | (dataSync ?? 0)
    return call((done) => fs.open(path, flags, 0o600, done))
  },

  async writeDurably(fd, parts, position) {
    await this.writev(fd, parts, position)
    if (dataSync === undefined) await this.fdatasync(fd)
  },

  fdatasync: (fd) => call((done) => fs.fdatasync(fd, done)),
  truncate: (fd, length) => call((done) => fs.ftruncate(fd, length, done)),
  size: async (fd) => (await call<fs.Stats>((done) => fs.fstat(fd, done))).size,

  async syncDirectory(path) {
    const fd = await this.open(path, 'r')
    try {
      await call<void>((done) => fs.fsync(fd, done))
    } finally {
      await this.close(fd)
    }
  },
}

/** The disk, or the owner's share of it, is full. */
export function isNoSpace(error: unknown): boolean {
  const code = (error as { code?: string } | null)?.code
  return code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG'
}

/** Makes the directory, its parents too, and their names durable. */
export async function makeDirectory(disk: Disk, path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true, mode: 0o700 })
  if (first === undefined) return
  const end = dirname(resolve(first))
  for (let made = resolve(path); made !== end; made = dirname(made)) await disk.syncDirectory(dirname(made))
}
