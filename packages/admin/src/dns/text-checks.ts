// TXT records with tags, judged by what they mean to those who read them: DKIM, DMARC, MTA-STS, TLS-RPT.
import type { DnsLookup, Judgement, Question } from './finding.ts'
import { recordsOf, tagsOf } from './finding.ts'

type TextCheck = (question: Question, texts: readonly string[], lookup: DnsLookup) => Judgement | Promise<Judgement>

/** One record of its kind is to be there: two are taken for none. */
function single(
  question: Question,
  texts: readonly string[],
  kind: { label: string; starts: RegExp },
): { text: string; tags: Map<string, string> } | Judgement {
  const publish = recordsOf(question, question.wanted)
  const own = texts.filter((text) => kind.starts.test(text))
  const [text, second] = own
  if (text === undefined) {
    return {
      state: texts.length > 0 ? 'wrong' : 'missing',
      text: texts.length > 0 ? `"${texts[0]}" is no ${kind.label} record` : `no ${kind.label} record`,
      fix: 'publish this',
      publish,
    }
  }
  if (second !== undefined) {
    const said = `${own.length} ${kind.label} records, which are taken for none`
    return { state: 'wrong', text: said, fix: 'leave this one alone', publish }
  }
  const tags = tagsOf(text)
  if (!tags) return { state: 'wrong', text: `"${text}" can't be read`, fix: 'publish this in its place', publish }
  return { text, tags }
}

// RFC 6376 §3.6.1
const signingKey: TextCheck = (question, texts) => {
  const publish = recordsOf(question, question.wanted)
  // "v=DKIM1" may be left out.
  const found = single(question, texts, { label: 'DKIM', starts: /(?:^|;)\s*p\s*=/ })
  if ('state' in found) return found
  const wanted = tagsOf(question.wanted[0] ?? '') ?? new Map<string, string>()
  const bare = (text = '') => text.replace(/\s/g, '')
  const isSame =
    bare(found.tags.get('p')) === bare(wanted.get('p')) && (found.tags.get('k') ?? 'rsa') === (wanted.get('k') ?? 'rsa')
  if (isSame) return { state: 'right', text: 'the key that is used' }
  const text = bare(found.tags.get('p')) === '' ? 'says that this key is withdrawn' : 'holds another key than is used'
  return { state: 'wrong', text: `${text}: signatures fail`, fix: 'publish this in its place', publish }
}

const mailbox = /^mailto:([^\s@,!]+)@([a-z0-9.-]+)(?:![0-9]+[kmgt]?)?$/i

const isDisposition = (text: string) => /^(?:none|quarantine|reject)$/i.test(text)

// RFC 9989 §4.7
const alignment: TextCheck = async (question, texts, lookup) => {
  const publish = recordsOf(question, question.wanted)
  const found = single(question, texts, { label: 'DMARC', starts: /^v\s*=\s*DMARC1/i })
  if ('state' in found) return found
  const { text, tags } = found
  const judged = (state: 'wrong' | 'advice', why: string, fix: string): Judgement => ({
    state,
    text: `"${text}" ${why}`,
    fix,
    publish,
  })
  const wrong = (why: string) => judged('wrong', why, 'publish this in its place, or mend the policy of your own')
  if (!isDisposition(tags.get('p') ?? '')) return wrong('has no p=none, quarantine or reject')
  for (const tag of ['sp', 'np']) {
    const value = tags.get(tag)
    if (value !== undefined && !isDisposition(value)) return wrong(`has ${tag}=${value}`)
  }
  const testing = tags.get('t')
  if (testing !== undefined && !/^[yn]$/i.test(testing)) return wrong(`has t=${testing}`)
  const places = (tags.get('rua') ?? '').split(',').map((place) => place.trim())
  if (places[0] === '') return judged('advice', 'asks for no reports', 'add rua, as here')
  const domain = question.name.slice('_dmarc.'.length)
  for (const place of places) {
    const host = mailbox.exec(place)?.[2]?.toLowerCase()
    if (host === undefined) return wrong(`asks for reports to "${place}", which is no mailto: address`)
    const isOwn = host === domain || host.endsWith(`.${domain}`) || domain.endsWith(`.${host}`)
    if (!isOwn && !(await agrees(domain, host, lookup))) {
      // RFC 9990 §4
      const record = { name: `${domain}._report._dmarc.${host}`, type: 'TXT' as const, value: 'v=DMARC1' }
      return {
        state: 'wrong',
        text: `"${text}" sends reports to ${host}, which has not agreed to get them`,
        fix: `have this published at ${host}`,
        publish: [record],
      }
    }
  }
  if (tags.has('pct'))
    return judged('advice', 'has pct, which nobody reads any more', 'take it out; t=y is for testing')
  return { state: 'right', text }
}

async function agrees(domain: string, host: string, lookup: DnsLookup): Promise<boolean> {
  const texts = await lookup.records(`${domain}._report._dmarc.${host}`, 'TXT')
  return texts.some((text) => /^v\s*=\s*DMARC1/.test(text))
}

// RFC 8461 §3.1
const transportPolicy: TextCheck = (question, texts) => {
  const found = single(question, texts, { label: 'MTA-STS', starts: /^v\s*=\s*STSv1\s*;/ })
  if ('state' in found) return found
  const wanted = tagsOf(question.wanted[0] ?? '')?.get('id')
  if (found.tags.get('id') === wanted) return { state: 'right', text: found.text }
  return {
    state: 'wrong',
    text: `says id ${found.tags.get('id') ?? '(none)'}, so that others keep an older policy than the one served now`,
    fix: 'publish this in its place, after the records of new nodes and before those of old nodes go',
    publish: recordsOf(question, question.wanted),
  }
}

// RFC 8460 §3
const transportReports: TextCheck = (question, texts) => {
  const found = single(question, texts, { label: 'TLS-RPT', starts: /^v\s*=\s*TLSRPTv1\s*;/ })
  if ('state' in found) return found
  const places = (found.tags.get('rua') ?? '').split(',').map((place) => place.trim())
  const bad = places.find((place) => !mailbox.test(place) && !/^https:\/\/[^\s,!]+$/i.test(place))
  if (bad === undefined) return { state: 'right', text: found.text }
  return {
    state: 'wrong',
    text: `"${found.text}" names no place for reports that can be used${bad === '' ? '' : ` (${bad})`}`,
    fix: 'publish this in its place',
    publish: recordsOf(question, question.wanted),
  }
}

/** undefined: the name is of none of these kinds. */
export function textCheckFor(name: string): TextCheck | undefined {
  if (name.startsWith('_dmarc.')) return alignment
  if (name.startsWith('_mta-sts.')) return transportPolicy
  if (name.startsWith('_smtp._tls.')) return transportReports
  return name.includes('._domainkey.') ? signingKey : undefined
}
