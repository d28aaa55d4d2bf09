// Public keys of signatures: asked of the DNS for each letter, but read only once. Reading a key takes longer than checking a
// signature with it, and most letters come from few signers.
import { createPublicKey, type KeyObject } from 'node:crypto'
import { domainToASCII } from 'node:url'
import tools from 'mailauth/lib/tools.js'
import { messageAuthLimits } from './limits.ts'

type Resolver = (name: string, type: string) => Promise<unknown>

export interface PublicKey extends FoundKey {
  publicKey: KeyObject
}

export interface PublicKeys extends KeyCache {
  get(type: string, name: string, bits: number | undefined, options: KeyOptions | undefined): Promise<PublicKey>
}

/** What was made of a record's text; a rejected one is not kept. */
const read = new Map<string, Promise<PublicKey>>()

/** For one letter: each key is asked for once. */
export function createPublicKeys(resolver: Resolver): PublicKeys {
  const asked = new Map<string, Promise<PublicKey>>()
  return {
    resolver,
    get(type, name, bits, options) {
      const choice = `${options?.strict === true} ${bits ?? ''} ${options?.hashAlgo ?? ''}`
      const key = `${choice} ${name}`
      let found = asked.get(key)
      if (!found) {
        found = keyAt(resolver, choice, type, name, bits, options)
        // ARC asks for keys before anybody waits for them.
        found.catch(() => {})
        asked.set(key, found)
      }
      return found
    },
  }
}

async function keyAt(
  resolver: Resolver,
  choice: string,
  type: string,
  name: string,
  bits: number | undefined,
  options: KeyOptions | undefined,
): Promise<PublicKey> {
  const records = await resolver(toALabels(name), 'TXT')
  const key = `${choice} ${JSON.stringify(records)}`
  let found = read.get(key)
  if (!found) {
    found = tools
      .getPublicKey(type, name, bits, async () => records, options)
      .then((it) => ({ ...it, publicKey: createPublicKey(it.publicKey) }))
    if (read.size >= messageAuthLimits.keysReadMax) read.delete(read.keys().next().value as string)
    read.set(key, found)
    found.catch(() => read.delete(key))
  }
  return found
}

/** RFC 8616 §3; selectors may have what no host name has, so that only names that need it are touched. */
function toALabels(name: string): string {
  return /[^ -~]/.test(name) ? domainToASCII(name) || name : name
}
