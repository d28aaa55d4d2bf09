// What ties names to certificates: TLSA (RFC 7672), which a wrong value turns into lost mail, and CAA (RFC 8659).
import type { DnsLookup, DnsSigning, Judgement, Question } from './finding.ts'
import { recordsOf } from './finding.ts'

/** `wanted`: the key in use first, then the next one. */
export async function judgeKeys(question: Question, said: readonly string[], lookup: DnsLookup): Promise<Judgement> {
  const signing = (await lookup.signing?.(question.name)) ?? 'unknown'
  const [current = '', ...next] = question.wanted
  const publish = recordsOf(question, question.wanted)
  if (said.length === 0) return unpublished(signing, publish)
  const digests = said.map((value) => value.toLowerCase().replace(/\s+(?=[0-9a-f]+$)/i, ' '))
  if (!digests.includes(current)) {
    if (!digests.some((value) => value.startsWith('3 1 1 '))) {
      const fix = 'prefer this, which outlives renewals'
      return { state: 'advice', text: `${digests.join(', ')} is not weighed`, fix, publish }
    }
    return {
      state: 'wrong',
      text: `holds no key of the certificate in use: senders that check DANE send nothing`,
      fix: 'publish this in its place at once',
      publish,
    }
  }
  const lacking = next.filter((value) => !digests.includes(value))
  if (lacking.length > 0) {
    return {
      state: 'missing',
      text: 'lacks the key that comes next; it is not used before it is published',
      fix: 'publish this too',
      publish: recordsOf(question, lacking),
    }
  }
  const stale = digests.filter((value) => !question.wanted.includes(value))
  if (stale.length > 0) {
    const fix = `take out ${stale.join(', ')} when it belongs to no server any more`
    return { state: 'advice', text: 'holds keys that are not used here', fix }
  }
  const isUseless = signing === 'unsigned' || signing === 'island'
  if (isUseless) {
    return { state: 'advice', text: 'right, but ignored without DNSSEC', fix: 'sign the zone' }
  }
  return { state: 'right', text: 'the key in use' + (next.length > 0 ? ' and the next one' : '') }
}

function unpublished(signing: DnsSigning, publish: Judgement['publish']): Judgement {
  if (signing === 'signed') {
    const text = 'not published, though the zone is signed: senders could verify the certificate'
    return { state: 'missing', text, fix: 'publish this', publish: publish ?? [] }
  }
  const text = 'not published; without DNSSEC it would be ignored'
  return { state: 'advice', text, fix: 'sign the zone, then publish this', publish: publish ?? [] }
}

/** The nearest set above the name counts (RFC 8659 §3). */
export async function judgeAuthorities(
  question: Question,
  said: readonly string[],
  lookup: DnsLookup,
): Promise<Judgement> {
  const publish = recordsOf(question, question.wanted)
  const labels = question.name.split('.')
  let relevant = said
  for (let at = 1; relevant.length === 0 && at < labels.length; at += 1) {
    relevant = await lookup.records(labels.slice(at).join('.'), 'CAA')
  }
  const issuers = relevant.flatMap((value) => /^\d+ issue "?([^";]*)/i.exec(value)?.[1]?.trim().toLowerCase() ?? [])
  if (issuers.length === 0) {
    const fix = 'publish this, and no other authority will give out certificates for this domain'
    return { state: 'advice', text: 'no CAA: any authority may give out certificates', fix, publish }
  }
  const lacking = question.wanted.filter((value) => !issuers.includes(/"(.*)"/.exec(value)?.[1] ?? ''))
  if (lacking.length === 0) return { state: 'right', text: `only ${issuers.join(', ')}` }
  return {
    state: 'wrong',
    text: `lets only ${issuers.map((name) => name || 'nobody').join(', ')} give out certificates: renewals will be refused`,
    fix: 'publish this too',
    publish: recordsOf(question, lacking),
  }
}
