// Authentication-Results (RFC 8601): what was found out about a letter, as later readers are to know it.
// Promises: what strangers chose (names, reasons) can end neither a line nor a word of it.
import type { DmarcCheck } from './dmarc.ts'
import { authenticationLimits } from './limits.ts'
import type { ArcCheck, CheckedLetter, DkimCheck, SpfCheck } from './ports.ts'

export interface Results {
  authservId: string
  checked: Pick<CheckedLetter, 'spf' | 'dkim' | 'arc'>
  /** Undefined: the letter names no single domain. */
  dmarc: DmarcCheck | undefined
  remoteAddress: string
}

/** Value of the field, without its name: lines joined by CR LF and a tab. */
export function authenticationResults({ authservId, checked, dmarc, remoteAddress }: Results): string {
  const { resultsNamedMax } = authenticationLimits
  const dkim = checked.dkim.slice(0, resultsNamedMax).map(dkimResult)
  const results = [
    ...checked.spf.map(spfResult),
    ...(dkim.length > 0 ? dkim : ['dkim=none']),
    ...(checked.arc.result === 'none' ? [] : [arcResult(checked.arc, remoteAddress)]),
    ...(dmarc ? [dmarcResult(dmarc)] : ['dmarc=none']),
  ]
  return [authservId, ...results].join(';\r\n\t')
}

function spfResult({ scope, domain, result, reason }: SpfCheck): string {
  const property = scope === 'mfrom' ? 'smtp.mailfrom' : 'smtp.helo'
  return line(`spf=${result}`, reason, domain === '' ? [] : [[property, domain]])
}

function dkimResult({ result, reason, domain, identity, selector, algorithm, signatureHead }: DkimCheck): string {
  const properties: [string, string][] = [
    ['header.d', domain],
    ['header.i', identity],
    ['header.s', selector],
    ['header.a', algorithm],
    // RFC 6008: so that two signatures of one domain can be told apart.
    ['header.b', signatureHead],
  ]
  return line(
    `dkim=${result}`,
    reason,
    properties.filter(([, value]) => value !== ''),
  )
}

/** RFC 8617 §6. */
function arcResult({ result, reason, sets, instance }: ArcCheck, remoteAddress: string): string {
  const newest = sets[0]
  const said = reason === '' && newest ? `i=${instance} sealed by ${newest.sealer}` : reason
  return line(`arc=${result}`, said, [['smtp.remote-ip', remoteAddress]])
}

/** RFC 9989 §9.1. */
function dmarcResult({ result, domain, policy, disposition, reason }: DmarcCheck): string {
  return line(`dmarc=${result}`, reason, [
    ['header.from', domain],
    ...(policy && result !== 'temperror' ? [['policy.dmarc', disposition] as [string, string]] : []),
  ])
}

function line(verdict: string, reason: string, properties: readonly (readonly [string, string])[]): string {
  const words = [
    verdict,
    ...(reason === '' ? [] : [`reason=${quoted(reason)}`]),
    ...properties.map(([name, value]) => `${name}=${word(value)}`),
  ]
  let text = ''
  let column = 8
  for (const it of words) {
    if (text !== '' && column + 1 + it.length > 76) {
      text += '\r\n\t'
      column = 8
    } else if (text !== '') text += ' '
    text += it
    column += 1 + it.length
  }
  return text
}

/** RFC 2045 §5.1 token, or a domain, or an address of such words (RFC 8601 §2.2 pvalue); else quoted. */
function word(value: string): string {
  return /^(?:[A-Za-z0-9!#$%&'*+\-^_`{|}~.]*@)?[A-Za-z0-9!#$%&'*+\-^_`{|}~.]+$/.test(value) &&
    value.length <= authenticationLimits.resultTextMax
    ? value
    : quoted(value)
}

function quoted(value: string): string {
  const safe = value.slice(0, authenticationLimits.resultTextMax).replace(/[^ -~]/g, '?')
  return `"${safe.replace(/["\\]/g, '\\$&')}"`
}
