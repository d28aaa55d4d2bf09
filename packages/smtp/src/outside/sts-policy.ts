// What a domain says by MTA-STS: its TXT record, its policy file, which hosts it names (RFC 8461 §3, §4.1). Pure.

export type StsMode = 'enforce' | 'testing' | 'none'

export interface StsPolicy {
  mode: StsMode
  /** Host names in lower case; `*.` in front stands for one label. */
  mx: string[]
  maxAgeSeconds: number
  /** The file's own lines, for reports. */
  lines: string[]
}

/** RFC 8461 §3.2: larger ones count as this. */
const maxAgeSecondsMax = 31_557_600
const linesMax = 500

/** The id of the one valid record; null where there is none, or more than one (RFC 8461 §3.1). */
export function stsIdOf(texts: readonly string[]): string | null {
  const records = texts.filter((text) => /^v=STSv1[ \t]*(?:;|$)/.test(text))
  if (records.length !== 1) return null
  for (const field of (records[0] as string).split(';').slice(1)) {
    const id = /^[ \t]*id[ \t]*=[ \t]*([A-Za-z0-9]{1,32})[ \t]*$/.exec(field)
    if (id) return id[1] as string
  }
  return null
}

/** Null for what is no policy. Unknown fields are passed over; of fields given twice the first counts, but for `mx`. */
export function parseStsPolicy(text: string): StsPolicy | null {
  const lines = text.split(/\r?\n/).filter((line) => line !== '')
  if (lines.length > linesMax) return null
  const fields = new Map<string, string>()
  const mx: string[] = []
  for (const line of lines) {
    const match = /^([A-Za-z0-9][A-Za-z0-9_.-]{0,31}):[ \t]*(.*?)[ \t]*$/.exec(line)
    if (!match) continue
    const [, name = '', value = ''] = match
    if (name === 'mx') mx.push(value.toLowerCase().replace(/\.$/, ''))
    else if (!fields.has(name)) fields.set(name, value)
  }
  const mode = fields.get('mode')
  const age = fields.get('max_age') ?? ''
  if (fields.get('version') !== 'STSv1' || !/^\d{1,10}$/.test(age)) return null
  if (mode !== 'enforce' && mode !== 'testing' && mode !== 'none') return null
  if (!mx.every((pattern) => /^(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/.test(pattern))) return null
  if (mode !== 'none' && mx.length === 0) return null
  return { mode, mx, maxAgeSeconds: Math.min(Number(age), maxAgeSecondsMax), lines }
}

/** RFC 8461 §4.1: a wildcard stands for exactly one label on the left. */
export function namesHost({ mx }: StsPolicy, host: string): boolean {
  const name = host.toLowerCase().replace(/\.$/, '')
  return mx.some((pattern) =>
    pattern.startsWith('*.')
      ? name.includes('.') && name.slice(name.indexOf('.')) === pattern.slice(1)
      : name === pattern,
  )
}
