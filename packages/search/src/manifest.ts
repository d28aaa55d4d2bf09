// What an account's index consists of: one small file, replaced whole. Promises: read back as written or not at all.
import { closeSync, fdatasyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs'
import { crc32 } from 'node:zlib'
import { IndexDamaged } from './paged-file.ts'

/** Of the files and of what makes terms: where it differs, the index is made again. */
export const INDEX_VERSION = 2

export interface IndexedMailbox {
  id: string
  uidValidity: number
  /** Every message up to here is in the index, or is gone. */
  coveredUid: number
}

export interface Manifest {
  version: number
  /** A segment's rows name mailboxes by their place here; null where one is gone. */
  mailboxes: (IndexedMailbox | null)[]
  segments: string[]
  /** Number of the next segment. */
  next: number
}

/** Undefined where there is none. @throws IndexDamaged */
export function readManifest(directory: string): Manifest | undefined {
  let text: string
  try {
    text = readFileSync(`${directory}/manifest`, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new IndexDamaged('the manifest can not be read', { cause: error })
  }
  const json = text.slice(9)
  if (Number.parseInt(text.slice(0, 8), 16) !== crc32(json)) throw new IndexDamaged('the manifest is damaged')
  const manifest = JSON.parse(json) as Manifest
  if (manifest.version !== INDEX_VERSION) throw new IndexDamaged('the index is of another version')
  return manifest
}

export function writeManifest(directory: string, manifest: Manifest): void {
  const json = JSON.stringify(manifest)
  const file = openSync(`${directory}/manifest.new`, 'w', 0o600)
  try {
    writeSync(file, `${crc32(json).toString(16).padStart(8, '0')}\n${json}`)
    fdatasyncSync(file)
  } finally {
    closeSync(file)
  }
  renameSync(`${directory}/manifest.new`, `${directory}/manifest`)
}
