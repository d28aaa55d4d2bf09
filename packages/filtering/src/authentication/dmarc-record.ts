// DMARC policy records (RFC 9989 §4.7, §4.8): text to what it asks for. Never throws.
import type { DmarcDisposition } from '@skein/reports'

export interface DmarcRecord {
  /** As published. */
  text: string
  p: DmarcDisposition
  sp: DmarcDisposition | undefined
  np: DmarcDisposition | undefined
  adkim: 'r' | 's'
  aspf: 'r' | 's'
  psd: 'y' | 'n' | 'u'
  /** t=y: the owner is still testing. */
  testing: boolean
  /** As published; empty: no aggregate reports are wanted. */
  rua: readonly string[]
  ruf: readonly string[]
  /**
   * RFC 9989 §4.10.1: p, sp or np is missing or wrong and nobody asked for reports: the record is there, and DMARC is not
   * applied.
   */
  applies: boolean
}

// RFC 9989 §4.8: the version comes first, its value in exactly these letters.
const version = /^[vV][ \t]*=[ \t]*DMARC1[ \t]*(?:;|$)/
const dispositions: ReadonlySet<string> = new Set(['none', 'quarantine', 'reject'])
/** RFC 3986 §3; commas and `!` must be percent-encoded there. */
const uri = /^[a-z][a-z0-9+.-]*:[a-z0-9\-._~:/?#[\]@$&'()*+;=%]+$/i
/** Sizes after `!` are of RFC 7489; a report is sent all the same. */
const oldSize = /![0-9]+[kmgt]?$/i

export function isDmarcRecord(text: string): boolean {
  return version.test(text)
}

/** Of the texts at one name; several records count as none (RFC 9989 §4.10). */
export function dmarcRecordAmong(texts: readonly string[]): DmarcRecord | undefined {
  const records = texts.map((text) => text.trim()).filter(isDmarcRecord)
  const [text] = records
  return text === undefined || records.length > 1 ? undefined : parseDmarcRecord(text)
}

/** Undefined where the text is no tag list: a name twice makes it none (RFC 6376 §3.2). */
export function parseDmarcRecord(text: string): DmarcRecord | undefined {
  const tags = new Map<string, string>()
  for (const part of text.split(';')) {
    const equals = part.indexOf('=')
    // A syntax error after the version is passed over (RFC 9989 §4.7).
    if (equals < 0) continue
    const name = part.slice(0, equals).trim()
    if (tags.has(name)) return undefined
    tags.set(name, part.slice(equals + 1).trim())
  }
  const chosen = <Value extends string>(name: string, values: readonly Value[], fallback: Value): Value => {
    const value = tags.get(name)?.toLowerCase() as Value
    return values.includes(value) ? value : fallback
  }
  const uris = (name: string) =>
    (tags.get(name) ?? '')
      .split(',')
      .map((it) => it.trim().replace(oldSize, ''))
      .filter((it) => uri.test(it))
  const rua = uris('rua')
  const sp = tags.get('sp')?.toLowerCase()
  const np = tags.get('np')?.toLowerCase()
  const p = tags.get('p')?.toLowerCase()
  const isGood =
    p !== undefined &&
    dispositions.has(p) &&
    (sp === undefined || dispositions.has(sp)) &&
    (np === undefined || dispositions.has(np))
  return {
    text,
    p: isGood ? (p as DmarcDisposition) : 'none',
    sp: isGood ? (sp as DmarcDisposition | undefined) : undefined,
    np: isGood ? (np as DmarcDisposition | undefined) : undefined,
    adkim: chosen('adkim', ['r', 's'], 'r'),
    aspf: chosen('aspf', ['r', 's'], 'r'),
    psd: chosen('psd', ['y', 'n', 'u'], 'u'),
    testing: chosen('t', ['y', 'n'], 'n') === 'y',
    rua,
    ruf: uris('ruf'),
    applies: isGood || rua.length > 0,
  }
}
