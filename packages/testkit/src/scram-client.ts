// The client's side of SCRAM-SHA-256 (RFC 5802 §5), for tests: honest unless told otherwise.
import { createHash, createHmac, pbkdf2Sync, timingSafeEqual } from 'node:crypto'

export interface ScramClientOptions {
  name: string
  password: string
  nonce?: string
  /** `n,,` where nothing is said. */
  gs2Header?: string
  /** The channel binding's data. */
  binding?: Uint8Array
  /** The channel binding as the last message tells it, where it lies. */
  claimedBinding?: string
}

export interface ScramClient {
  first: string
  /** @returns the client's last message */
  final(serverFirst: string): string
  /** Whether the server has proven that it knows the password. */
  isServer(serverFinal: string): boolean
}

const hmac = (key: Uint8Array, text: string) => createHmac('sha256', key).update(text).digest()

export function createScramClient(options: ScramClientOptions): ScramClient {
  const { name, password, nonce = 'fyko+d2lbbFgONRv9qkxdawL', gs2Header = 'n,,', binding = new Uint8Array(0) } = options
  const bare = `n=${name.replaceAll('=', '=3D').replaceAll(',', '=2C')},r=${nonce}`
  let expected = Buffer.alloc(0)
  return {
    first: gs2Header + bare,
    final(serverFirst) {
      const [, whole = '', salt = '', iterations = ''] = /^r=([^,]+),s=([^,]+),i=(\d+)$/.exec(serverFirst) ?? []
      const salted = pbkdf2Sync(password, Buffer.from(salt, 'base64'), Number(iterations), 32, 'sha256')
      const channel = options.claimedBinding ?? Buffer.concat([Buffer.from(gs2Header), binding]).toString('base64')
      const withoutProof = `c=${channel},r=${whole}`
      const message = `${bare},${serverFirst},${withoutProof}`
      const clientKey = hmac(salted, 'Client Key')
      const signature = hmac(createHash('sha256').update(clientKey).digest(), message)
      expected = hmac(hmac(salted, 'Server Key'), message)
      return `${withoutProof},p=${Buffer.from(clientKey.map((byte, at) => byte ^ (signature[at] ?? 0))).toString('base64')}`
    },
    isServer(serverFinal) {
      const given = Buffer.from(/^v=(.+)$/.exec(serverFinal)?.[1] ?? '', 'base64')
      return given.length === expected.length && timingSafeEqual(given, expected)
    },
  }
}
