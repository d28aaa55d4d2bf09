// One ARC set on top of a letter that goes on to somebody else (RFC 8617 §5.1), by mailauth.
import { Readable } from 'node:stream'
import arcModule from 'mailauth/lib/arc/index.js'
import type { SealRequest } from './requests.ts'

/** @returns seal, signature and results, each ended by CR LF; '' where this letter can have none. */
export async function sealLetter(
  letter: AsyncIterable<Uint8Array>,
  { domain, key, results, chain, atMs }: Pick<SealRequest, 'domain' | 'key' | 'results' | 'chain' | 'atMs'>,
): Promise<string> {
  const { headers } = await arcModule.createSeal(Readable.from(letter, { objectMode: false }), {
    strict: true,
    seal: {
      signingDomain: domain,
      selector: key.selector,
      privateKey: key.privateKey,
      authResults: results,
      cv: chain,
      signTime: new Date(atMs),
    },
  })
  return headers.map((line) => `${line}\r\n`).join('')
}
