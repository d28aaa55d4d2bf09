// The ARC chain of a letter, by mailauth (RFC 8617 §5.2). Few letters have one, and only those are put through it.
import type { ArcCheck, ArcSet } from '@skein/filtering'
import arcModule from 'mailauth/lib/arc/index.js'
import verifiers from 'mailauth/lib/dkim/dkim-verifier.js'
import tools from 'mailauth/lib/tools.js'
import { domainOf } from './check-spf.ts'
import type { LetterField } from './letter-fields.ts'
import { messageAuthLimits } from './limits.ts'
import type { PublicKeys } from './public-keys.ts'

export const noChain: ArcCheck = { result: 'none', reason: '', sets: [], instance: 0, sealable: true }

export interface ChainCheck {
  update(chunk: Uint8Array): Promise<void>
  /** Once, after the whole body. */
  result(): Promise<ArcCheck>
}

export function hasChain(fields: readonly LetterField[]): boolean {
  return fields.some(({ key }) => chainFields.has(key))
}

const chainFields: ReadonlySet<string> = new Set(['arc-seal', 'arc-message-signature', 'arc-authentication-results'])

/** Checks the newest ARC-Message-Signature only: DKIM-Signatures are ours to check. */
class Verifier extends verifiers.DkimVerifier {
  override prepareSignature(header: { type: string; skip?: string }): void {
    if (header.type !== 'DKIM') return super.prepareSignature(header)
    header.skip = 'checked elsewhere'
    Object.assign(header, { warnings: [], signingDomain: '', selector: '', identity: '' })
  }
}

export async function createChainCheck(header: Buffer, keys: PublicKeys, nowMs: number): Promise<ChainCheck> {
  const { resolver } = keys
  const strict = true
  const minBitLength = messageAuthLimits.rsaKeyBitsMin
  const verifier = new Verifier({ resolver, minBitLength, strict, sender: '<>', curTime: new Date(nowMs) })
  verifier.keyCache = keys
  verifier.arc.keyCache = keys
  // As its stream would, without one: a letter that has come by SMTP has no bare line ends that would have to be looked for.
  verifier.headers = tools.parseHeaders(header)
  await verifier.messageHeaders(verifier.headers)
  return {
    update: (chunk) => verifier.nextChunk(chunk),
    async result() {
      await verifier.finalChunk()
      return checkChain(verifier.arc, { resolver, minBitLength, strict })
    },
  }
}

async function checkChain(
  data: ArcData,
  options: { resolver: KeyCache['resolver']; minBitLength: number; strict: boolean },
): Promise<ArcCheck> {
  const links = data.chain || []
  if (links.length === 0 && !data.error) return noChain
  const { status } = await arcModule.arc(data, options)
  const instance = data.lastEntry?.i ?? 0
  const closed = textOf(data.lastEntry?.['arc-seal']?.parsed?.['cv']?.value).toLowerCase() === 'fail'
  const isPass = status.result === 'pass'
  return {
    result: isPass ? 'pass' : 'fail',
    reason: status.comment && !isPass ? status.comment : '',
    sets: isPass ? links.map(setOf).toReversed() : [],
    instance,
    // A chain that cannot even be read gets no further set: nobody could read it then either.
    sealable: !closed && !data.error && instance < 50,
  }
}

function setOf(link: ArcLink): ArcSet {
  const line = link['arc-authentication-results']?.original?.toString() ?? ''
  const value = line.slice(line.indexOf(':') + 1).replace(/\r?\n(?=[ \t])/g, '')
  return {
    instance: link.i,
    sealer: domainOf(textOf(link['arc-seal']?.parsed?.['d']?.value)),
    results: value.slice(value.indexOf(';') + 1).trim(),
  }
}

function textOf(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value).trim() : ''
}
