// The messages of SCRAM (RFC 5802 §5, §7) as text: pure.
import { MalformedResponse } from './exchange.ts'

export interface ClientFirst {
  /** `n,a=name,`: what comes before the bare message, repeated by the client's last one. */
  gs2Header: string
  /** n: the client knows no channel binding; y: it does, and believes that the server does not; p: by which. */
  binding: { kind: 'n' } | { kind: 'y' } | { kind: 'p'; type: string }
  authorizationId: string | undefined
  bare: string
  name: string
  nonce: string
}

export interface ClientFinal {
  /** The gs2 header and the channel binding's data, as the client saw them. */
  binding: Uint8Array
  nonce: string
  withoutProof: string
  proof: Uint8Array
}

const saslName = '(?:[^,=\\u0000]|=2C|=3D)+'
const printable = '[!-+\\x2d-~]+'
const extensions = '(?:,[A-Za-z]=[^,\\u0000]*)*'
const base64 = '(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?'

const clientFirst = new RegExp(
  `^((n|y|p=([A-Za-z0-9.-]+)),(?:a=(${saslName}))?,)(n=(${saslName}),r=(${printable})${extensions})$`,
  'u',
)
const clientFinal = new RegExp(`^(c=(${base64}),r=(${printable})${extensions}),p=(${base64})$`, 'u')

const unescape = (name: string) => name.replaceAll('=2C', ',').replaceAll('=3D', '=')

/** @throws MalformedResponse */
export function parseClientFirst(text: string): ClientFirst {
  const match = clientFirst.exec(text)
  if (!match) {
    // RFC 5802 §5.1: `m=` is an extension that must be understood, and nobody knows any.
    throw new MalformedResponse(/^[^,]*,[^,]*,m=/.test(text) ? 'An unknown SCRAM extension' : 'No SCRAM message')
  }
  const [, gs2Header = '', flag = '', type, authorizationId, bare = '', name = '', nonce = ''] = match
  return {
    gs2Header,
    binding: type === undefined ? { kind: flag as 'n' | 'y' } : { kind: 'p', type },
    authorizationId: authorizationId === undefined ? undefined : unescape(authorizationId),
    bare,
    name: unescape(name),
    nonce,
  }
}

/** @throws MalformedResponse */
export function parseClientFinal(text: string): ClientFinal {
  const match = clientFinal.exec(text)
  if (!match) throw new MalformedResponse('No SCRAM message')
  const [, withoutProof = '', binding = '', nonce = '', proof = ''] = match
  return {
    binding: Buffer.from(binding, 'base64'),
    nonce,
    withoutProof,
    proof: Buffer.from(proof, 'base64'),
  }
}

/** The nonce in a server's first message. */
export function nonceOf(serverFirst: string): string {
  return /^r=([^,]*),/.exec(serverFirst)?.[1] ?? ''
}
