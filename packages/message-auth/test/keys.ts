// Keys made for a test, with the TXT record that publishes each.
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import type { SigningKey } from '@skein/filtering'

export interface TestKey extends SigningKey {
  record: string
}

const pem = (key: KeyObject) => key.export({ type: 'pkcs8', format: 'pem' }) as string

export function rsaKey(selector: string, bits = 2048): TestKey {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: bits })
  const p = publicKey.export({ type: 'spki', format: 'der' }).toString('base64')
  return { selector, algorithm: 'rsa-sha256', privateKey: pem(privateKey), record: `v=DKIM1; k=rsa; p=${p}` }
}

export function ed25519Key(selector: string): TestKey {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  // RFC 8463 §4: the 32 bytes themselves.
  const p = publicKey.export({ type: 'spki', format: 'der' }).subarray(-32).toString('base64')
  return { selector, algorithm: 'ed25519-sha256', privateKey: pem(privateKey), record: `v=DKIM1; k=ed25519; p=${p}` }
}
