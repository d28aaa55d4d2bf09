// Whether a chain of seals vouches for a letter that DMARC fails (RFC 8617 §7.2.1, RFC 7960): a list or forwarder that this
// mesh trusts saw it pass. Only what trusted sealers say counts, from the newest seal down to the first by a stranger.
import { canonicalDomain } from '@skein/mail'
import type { ArcCheck } from './ports.ts'

/**
 * @param domain the author's
 * @param trusted domains (A-labels, lower case) whose seals count, their subdomains too
 * @returns the sealer who saw DMARC pass for the domain, or undefined
 */
export function trustedForwarder(arc: ArcCheck, domain: string, trusted: readonly string[]): string | undefined {
  if (arc.result !== 'pass') return undefined
  for (const { sealer, results } of arc.sets) {
    if (!trusted.some((name) => sealer === name || sealer.endsWith(`.${name}`))) return undefined
    if (sawDmarcPass(results, domain)) return sealer
  }
  return undefined
}

/** @param value of Authentication-Results or ARC-Authentication-Results, without `i=…;` */
export function sawDmarcPass(value: string, domain: string): boolean {
  // What stands in quotes or comments is not said by the sealer but about somebody.
  const plain = withoutComments(value.replace(/"(?:[^"\\]|\\.)*"/g, '""'))
  return plain.split(';').some((result) => {
    if (!/^\s*dmarc\s*=\s*pass(?:\s|$)/i.test(result)) return false
    const from = /\sheader\s*\.\s*from\s*=\s*([^\s;"]+)/i.exec(result)?.[1]
    return from !== undefined && canonicalDomain(from) === domain
  })
}

function withoutComments(text: string): string {
  let depth = 0
  let plain = ''
  for (let at = 0; at < text.length; at++) {
    const char = text.charAt(at)
    if (char === '\\' && depth > 0) at++
    else if (char === '(') depth++
    else if (char === ')' && depth > 0) depth--
    else if (depth === 0) plain += char
  }
  return plain
}
