// The small file beside the segments: which numbers may have been given out, and whether the last close was clean.
// Written rarely (open, close, every few hundred segments), replaced atomically.
import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import type { Disk } from './disk.ts'

const stateName = 'log-state.json'

export interface LogState {
  version: 1
  /** Every segment number ever given out is below this: none is used twice, even where files were deleted. */
  numberCeiling: number
  /** The segment that takes appends, and how long it was at a clean close. Null while the log is open. */
  clean: { segment: number; size: number } | null
  /** Bytes let go, by segment number: hints for compaction. */
  released: Record<string, number>
}

/** Undefined where there is none, or it is damaged: then the segments themselves are scanned. */
export async function readLogState(directory: string): Promise<LogState | undefined> {
  try {
    const text = await readFile(join(directory, stateName), 'utf8')
    const cut = text.indexOf('\n')
    const body = text.slice(cut + 1)
    if (cut < 0 || text.slice(0, cut) !== String(crc32(body))) return undefined
    const state = JSON.parse(body) as LogState
    return state.version === 1 ? state : undefined
  } catch {
    return undefined
  }
}

export async function writeLogState(disk: Disk, directory: string, state: LogState): Promise<void> {
  const body = JSON.stringify(state)
  const path = join(directory, stateName)
  await writeFile(`${path}.tmp`, `${crc32(body)}\n${body}`, { flush: true, mode: 0o600 })
  await rename(`${path}.tmp`, path)
  await disk.syncDirectory(directory)
}
