// Dates of mail headers (RFC 5322 §3.3, §4.3, and what is really sent) and of IMAP (RFC 9051 §9 date-time).
// Promises: never throws, never looks at the local time zone; null where no date can be read.
import { mailLimits } from './types.ts'

const monthNames = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** RFC 5322 §4.3, minutes east of UTC. Military letters are read as UTC, as it asks; so is any name not known. */
const zoneNames: Record<string, number> = {
  ut: 0,
  utc: 0,
  gmt: 0,
  est: -300,
  edt: -240,
  cst: -360,
  cdt: -300,
  mst: -420,
  mdt: -360,
  pst: -480,
  pdt: -420,
  jst: 540,
  kst: 540,
  hkt: 480,
  cet: 60,
  cest: 120,
  bst: 60,
}

/** Milliseconds, or null. Also reads asctime, ISO 8601 and dates with the parts in other orders. */
export function parseDate(text: string): number | null {
  if (text.length > mailLimits.dateCharactersMax) return null
  const plain = text.includes('(') ? withoutComments(text) : text
  const iso =
    /^\s*(\d{4})-(\d{1,2})-(\d{1,2})(?:[T ]\s*(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?\s*(Z|[+-]\d{2}:?\d{2})?)?/i.exec(
      plain,
    )
  if (iso !== null) return fromIso(iso)
  return fromTokens(plain)
}

function fromIso(match: RegExpExecArray): number | null {
  const zone = match[7] === undefined ? 0 : zoneMinutes(match[7])
  return toMs({
    year: Number(match[1]),
    month: Number(match[2]) - 1,
    day: Number(match[3]),
    hour: Number(match[4] ?? 0),
    minute: Number(match[5] ?? 0),
    second: Number(match[6] ?? 0),
    zone: zone ?? 0,
  })
}

interface CivilTime {
  year: number
  month: number
  day: number
  hour: number
  minute: number
  second: number
  /** Minutes east of UTC. */
  zone: number
}

function fromTokens(text: string): number | null {
  let day: number | undefined
  let month: number | undefined
  let year: number | undefined
  let time: RegExpExecArray | undefined
  let zone: number | undefined
  let afternoon: boolean | undefined
  // A zone may be glued to what stands before it: 10:00:00+0800, GMT+0800.
  const spaced = text.replace(/\b(\d{1,2})-([A-Za-z]{3,9})-(\d{2,4})\b/g, '$1 $2 $3')
  const tokens = spaced.replace(/(?<=[\dA-Za-z])(?=[+-]\d{2}:?\d{2}\b)/g, ' ').match(/[^\s,]+/g) ?? []
  for (const token of tokens) {
    const clock = time === undefined ? /^(\d{1,2})[:.](\d{1,2})(?:[:.](\d{1,2})(?:[.,]\d+)?)?$/.exec(token) : null
    if (clock !== null) {
      time = clock
      continue
    }
    if (/^[+-]\d/.test(token)) {
      zone = zoneMinutes(token) ?? zone
      continue
    }
    if (/^\d+$/.test(token)) {
      // RFC 5322 §4.3 lets the year have two or three digits.
      if (day === undefined && token.length <= 2) day = Number(token)
      else if (year === undefined && token.length >= 2 && token.length <= 4) year = fullYear(token)
      continue
    }
    const name = token.toLowerCase().replace(/\.$/, '')
    if (month === undefined && /^[a-z]{3,9}$/.test(name)) {
      const index = monthNames.findIndex((short) => name.startsWith(short.toLowerCase()))
      if (index >= 0) {
        month = index
        continue
      }
    }
    if (name === 'am' || name === 'pm') afternoon = name === 'pm'
    else if (zone === undefined && Object.hasOwn(zoneNames, name)) zone = zoneNames[name]
  }
  if (day === undefined || month === undefined || year === undefined) return null
  let hour = Number(time?.[1] ?? 0)
  if (afternoon !== undefined && hour >= 1 && hour <= 12) hour = (hour % 12) + (afternoon ? 12 : 0)
  return toMs({
    year,
    month,
    day,
    hour,
    minute: Number(time?.[2] ?? 0),
    second: Number(time?.[3] ?? 0),
    zone: zone ?? 0,
  })
}

function fullYear(digits: string): number {
  const year = Number(digits)
  if (digits.length === 2) return year < 50 ? 2000 + year : 1900 + year
  return digits.length === 3 ? 1900 + year : year
}

/** `+hhmm`, `+hh:mm`, `Z`; null where it says no zone that exists. */
function zoneMinutes(text: string): number | null {
  if (text === 'Z' || text === 'z') return 0
  const match = /^([+-])(\d{2}):?(\d{2})$/.exec(text)
  if (match === null) return null
  const minutes = Number(match[2]) * 60 + Number(match[3])
  if (Number(match[3]) > 59 || minutes > 24 * 60) return null
  return match[1] === '-' ? -minutes : minutes
}

function toMs({ year, month, day, hour, minute, second, zone }: CivilTime): number | null {
  if (month < 0 || month > 11 || day < 1 || day > 31 || hour > 24 || minute > 59 || second > 60) return null
  if (hour === 24 && (minute > 0 || second > 0)) return null
  // Date.UTC reads years below 100 as 19xx.
  const date = new Date(0)
  date.setUTCFullYear(year, month, day)
  if (date.getUTCMonth() !== month) return null
  return date.getTime() + ((hour * 60 + minute - zone) * 60 + second) * 1000
}

function withoutComments(text: string): string {
  let out = ''
  let depth = 0
  for (let i = 0; i < text.length; i += 1) {
    const char = text[i] ?? ''
    if (char === '\\' && depth > 0) i += 1
    else if (char === '(') depth += 1
    else if (char === ')' && depth > 0) {
      depth -= 1
      out += ' '
    } else if (depth === 0) out += char
  }
  return out
}

/** Years 0 to 9999, all that the formats can hold. */
function clamped(ms: number): Date {
  const least = -62_167_219_200_000
  const most = 253_402_300_799_999
  return new Date(Number.isFinite(ms) ? Math.min(Math.max(ms, least), most) : 0)
}

function twoDigits(value: number): string {
  return value < 10 ? `0${value}` : `${value}`
}

/** `Mon, 02 Jan 2006 15:04:05 +0000` (RFC 5322 §3.3). */
export function formatDate(ms: number): string {
  return clamped(ms).toUTCString().replace('GMT', '+0000')
}

/** `02-Jan-2006 15:04:05 +0000`, the day padded with a space (RFC 9051 §9 date-day-fixed); the caller adds the quotes. */
export function imapInternalDate(ms: number): string {
  const date = clamped(ms)
  const day = `${date.getUTCDate()}`.padStart(2)
  const clock = `${twoDigits(date.getUTCHours())}:${twoDigits(date.getUTCMinutes())}:${twoDigits(date.getUTCSeconds())}`
  const year = `${date.getUTCFullYear()}`.padStart(4, '0')
  return `${day}-${monthNames[date.getUTCMonth()] ?? ''}-${year} ${clock} +0000`
}

/** RFC 9051 §9 date-time, with or without its quotes; strict, since a client that errs should hear of it. */
export function parseImapDateTime(text: string): number | null {
  const match = /^"?([ \d]\d)-([A-Za-z]{3})-(\d{4}) (\d{2}):(\d{2}):(\d{2}) ([+-]\d{4})"?$/.exec(text)
  if (match === null) return null
  const name = (match[2] ?? '').toLowerCase()
  const zone = zoneMinutes(match[7] ?? '')
  if (zone === null) return null
  return toMs({
    year: Number(match[3]),
    month: monthNames.findIndex((short) => short.toLowerCase() === name),
    day: Number(match[1]),
    hour: Number(match[4]),
    minute: Number(match[5]),
    second: Number(match[6]),
    zone,
  })
}
