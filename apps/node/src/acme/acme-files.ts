// What DIR/acme keeps: the account's key (0600) and what is known of the last orders; and how a certificate is put in its place.
import { X509Certificate, createPrivateKey } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { createSecureContext } from 'node:tls'
import { SkeinError } from '@skein/runtime'
import { z } from 'zod'
import { type DataDirectory, writeFileDurably } from '../data-directory.ts'
import { keyDigest } from '../tls-keys.ts'
import { type KeyType, keyTypeOf, makeKey } from './signing-request.ts'

const stateSchema = z.object({
  directoryUrl: z.string(),
  accountUrl: z.string().optional(),
  /** SHA-256 of the certificate that the last order gave. */
  fingerprint: z.string().optional(),
  failures: z.number().default(0),
  nextAttemptMs: z.number().default(0),
  lastError: z.string().optional(),
  lastFailureMs: z.number().optional(),
  /** Since when the digest of the next key is told to the world. */
  nextKey: z.object({ digest: z.string(), sinceMs: z.number() }).optional(),
  refused: z.array(z.object({ name: z.string(), why: z.string(), untilMs: z.number() })).default([]),
})

export type AcmeState = z.output<typeof stateSchema>

export interface AcmeFiles {
  accountKey(): string
  state: AcmeState
  /** On disk when it returns. */
  save(change: Partial<AcmeState>): void
}

/** An account belongs to one authority: another directory begins anew. */
export function openAcmeFiles({ acme }: DataDirectory, directoryUrl: string): AcmeFiles {
  if (!existsSync(acme)) mkdirSync(acme, { mode: 0o700 })
  const stateFile = join(acme, 'state.json')
  const keyFile = join(acme, 'account.key')
  const files: AcmeFiles = {
    state: readState(stateFile, directoryUrl),
    save(change) {
      files.state = { ...files.state, ...change }
      writeFileDurably(stateFile, `${JSON.stringify(files.state, null, 2)}\n`)
    },
    accountKey() {
      if (!existsSync(keyFile)) writeFileDurably(keyFile, makeKey('ecdsa-p256'))
      return readFileSync(keyFile, 'utf8')
    },
  }
  return files
}

function readState(file: string, directoryUrl: string): AcmeState {
  const empty = stateSchema.parse({ directoryUrl })
  try {
    const state = stateSchema.parse(JSON.parse(readFileSync(file, 'utf8')))
    return state.directoryUrl === directoryUrl ? state : empty
  } catch {
    return empty
  }
}

/** The key of the next certificate (PEM), waiting where the world can be told of it. */
export function nextKey(paths: DataDirectory, type: KeyType): string {
  const isThere = existsSync(paths.tlsNextKey) && keyTypeOf(readFileSync(paths.tlsNextKey, 'utf8')) === type
  if (!isThere) writeFileDurably(paths.tlsNextKey, makeKey(type))
  return readFileSync(paths.tlsNextKey, 'utf8')
}

/**
 * The new pair is tried before anything is written, so that a bad one never takes the place of one that works.
 * @throws SkeinError `certificate-invalid`
 */
export function installCertificate(paths: DataDirectory, cert: string, key: string): void {
  try {
    createSecureContext({ cert, key })
    if (!new X509Certificate(cert).checkPrivateKey(createPrivateKey(key)))
      throw new Error('the key is not the certificate’s')
  } catch (cause) {
    const why = (cause as Error).message
    throw new SkeinError('certificate-invalid', 'refused', `the authority's certificate can't be used: ${why}`, cause)
  }
  const isNext = keyDigest(key) !== keyDigest(readFileSync(paths.tlsKey, 'utf8'))
  writeFileDurably(paths.tlsCert, cert)
  // A crash here leaves a certificate for the next key: `settleKeys` mends it at the start.
  if (isNext) renameSync(paths.tlsNextKey, paths.tlsKey)
}
