// Calendar days as SEARCH writes them (RFC 9051 §9 date).
import { fault } from './syntax-error.ts'

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

const DAY_MS = 86_400_000

/** Days since 1970-01-01 of the calendar day: what SEARCH compares, "disregarding time and time zone". */
export type DayNumber = number

export function dayOf(ms: number): DayNumber {
  return Math.floor(ms / DAY_MS)
}

function monthNumber(name: string): number {
  return MONTHS.findIndex((month) => month.toLowerCase() === name.toLowerCase())
}

function utcDay(year: number, month: number, day: number): number {
  const date = new Date(0)
  date.setUTCFullYear(year, month, day)
  if (month < 0 || date.getUTCMonth() !== month || date.getUTCDate() !== day) fault('there is no such day')
  return date.getTime()
}

/** `1-Feb-1994` @throws SyntaxFault */
export function parseDay(text: string): DayNumber {
  const match = /^(\d{1,2})-([A-Za-z]{3})-(\d{4})$/.exec(text)
  if (match === null) fault('a date like 1-Feb-2024 is wanted')
  return dayOf(utcDay(Number(match[3]), monthNumber(match[2] as string), Number(match[1])))
}
