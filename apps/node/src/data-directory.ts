// DIR and what lies in it (operator contract, "Files"). Secrets are 0600 from the moment they exist.
import {
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  writeSync,
  fsyncSync,
  closeSync,
  readFileSync,
  renameSync,
} from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { SkeinError } from '@skein/runtime'

export interface DataDirectory {
  root: string
  config: string
  nodeKey: string
  tlsCert: string
  tlsKey: string
  /** Fingerprint of the certificate that the node made itself. */
  tlsSelfMade: string
  /** Keys with which letters are signed. */
  dkim: string
  /** The key of the next certificate, where it is to be another one. */
  tlsNextKey: string
  /** What is known to the authority that gives out certificates: our account there, and how the last order went. */
  acme: string
  database: string
  messages: string
  /** May be removed at any time: it is made again. */
  search: string
  controlSocket: string
  lock: string
}

export function dataDirectory(directory: string): DataDirectory {
  const root = resolve(directory)
  return {
    root,
    config: join(root, 'skein.toml'),
    nodeKey: join(root, 'node.key'),
    tlsCert: join(root, 'tls', 'cert.pem'),
    tlsKey: join(root, 'tls', 'key.pem'),
    tlsSelfMade: join(root, 'tls', 'self-made'),
    dkim: join(root, 'dkim'),
    tlsNextKey: join(root, 'tls', 'next-key.pem'),
    acme: join(root, 'acme'),
    database: join(root, 'db'),
    messages: join(root, 'messages'),
    search: join(root, 'search'),
    controlSocket: join(root, 'control.sock'),
    lock: join(root, 'lock'),
  }
}

/** @throws SkeinError `already-initialised` when there is a node in it; `data-without-key` when there is what a node left. */
export function createDataDirectory(paths: DataDirectory): void {
  if (existsSync(paths.config) || existsSync(paths.nodeKey)) {
    throw new SkeinError('already-initialised', 'refused', `${paths.root} already holds a node`)
  }
  // Mail whose key and settings were lost is still mail: a failed start may clear only what it made itself.
  for (const directory of [paths.database, paths.messages]) {
    if (!existsSync(directory) || readdirSync(directory).length === 0) continue
    throw new SkeinError('data-without-key', 'refused', `${directory} is not empty: it may hold a node's mail`)
  }
  for (const directory of [paths.root, dirname(paths.tlsCert), paths.database, paths.messages]) {
    makeDirectory(directory)
  }
}

/** Step by step: where a file system takes no directories (/proc), Node's own recursive way never ends. */
function makeDirectory(directory: string): void {
  if (existsSync(directory)) return
  makeDirectory(dirname(directory))
  try {
    mkdirSync(directory, { mode: 0o700 })
  } catch (cause) {
    const why = (cause as NodeJS.ErrnoException).code
    throw new SkeinError('data-directory-unusable', 'refused', `${directory} can't be made (${why})`, cause)
  }
}

/** Whole or not at all, on disk when it returns. */
export function writeFileDurably(fileName: string, data: string | Uint8Array, mode = 0o600): void {
  const temporary = `${fileName}.new`
  const file = openSync(temporary, 'w', mode)
  try {
    writeSync(file, Buffer.from(data as Uint8Array))
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  renameSync(temporary, fileName)
  const folder = openSync(dirname(fileName), 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}

/** @throws SkeinError `not-initialised` */
export function readNodeKey(paths: DataDirectory): Uint8Array {
  try {
    return new Uint8Array(readFileSync(paths.nodeKey))
  } catch (cause) {
    throw new SkeinError(
      'not-initialised',
      'refused',
      `${paths.root} holds no node: start with "skein init" or "skein join"`,
      cause,
    )
  }
}
