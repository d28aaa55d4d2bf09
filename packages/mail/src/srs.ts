// Sender Rewriting Scheme (Shevek, "The Sender Rewriting Scheme", 2004): the envelope sender of a forwarded letter, under a
// domain of the forwarder, from which the sender can be had back when a bounce comes.
// Promises: never throws; only addresses made with one of the secrets are undone; the case of letters does not matter.
import { createHmac, timingSafeEqual } from 'node:crypto'
import { canonicalAddress, localContent, spellLocal, splitAddress } from './address.ts'
import { mailLimits } from './types.ts'

/** What an address that looks rewritten is. */
export type SrsAddress = { kind: 'sender'; address: string } | { kind: 'forged' } | { kind: 'expired' }

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567'
/** 40 bits: whoever guesses one a millisecond needs decades. */
const hashCharacters = 8
const dayMs = 86_400_000
/** Two characters of base 32. */
const dayCycle = 1024
const daysValid = 21

/**
 * `sender` as the forwarder `domain` says it in MAIL. One that was rewritten elsewhere keeps pointing there (SRS1), so that
 * addresses do not grow with each forwarder. Undefined where it finds no room in a local part (RFC 5321 §4.5.3.1.1).
 */
export function srsRewrite(sender: string, domain: string, secret: Uint8Array, nowMs: number): string | undefined {
  const { local, domain: from } = splitAddress(sender)
  const content = localContent(local)
  if (content === undefined || from === '') return undefined
  const again = /^srs([01])([=+-])(.*)$/is.exec(content)
  let rewritten: string
  if (again === null) {
    const day = dayName(nowMs)
    rewritten = `SRS0=${hashOf(secret, ['srs0', day, from, content])}=${day}=${from}=${content}`
  } else {
    const { first, rest } = firstForwarder(again, from)
    rewritten = `SRS1=${hashOf(secret, ['srs1', first, rest])}=${first}=${rest}`
  }
  const spelt = spellLocal(rewritten)
  if (Buffer.byteLength(spelt) > mailLimits.localPartBytesMax) return undefined
  return `${spelt}@${domain}`
}

/** Who rewrote it first, and what stands after `SRS0` in the address that he made. */
function firstForwarder([, generation, separator, tail]: RegExpExecArray, from: string) {
  const here = { first: from, rest: `${separator}${tail}` }
  if (generation === '0') return here
  const parts = /^[^=]*=([^=]+)=([=+-].*)$/s.exec(tail ?? '')
  return parts === null ? here : { first: parts[1] as string, rest: parts[2] as string }
}

/** Undefined for an address that is not of this kind. Any of `secrets` may have made it. */
export function srsUndo(address: string, secrets: readonly Uint8Array[], nowMs: number): SrsAddress | undefined {
  const content = localContent(splitAddress(address).local)
  const match = content === undefined ? null : /^srs([01])=(.*)$/is.exec(content)
  if (match === null) return undefined
  const tail = match[2] ?? ''
  return match[1] === '0' ? undoFirst(tail, secrets, nowMs) : undoSecond(tail, secrets)
}

function undoFirst(tail: string, secrets: readonly Uint8Array[], nowMs: number): SrsAddress {
  const parts = /^([^=]*)=([^=]*)=([^=]*)=(.*)$/s.exec(tail)
  if (parts === null) return { kind: 'forged' }
  const [hash, day, from, content] = parts.slice(1) as [string, string, string, string]
  if (!isHash(hash, secrets, ['srs0', day, from, content])) return { kind: 'forged' }
  if (daysSince(day, nowMs) > daysValid) return { kind: 'expired' }
  return sender(content, from)
}

function undoSecond(tail: string, secrets: readonly Uint8Array[]): SrsAddress {
  const parts = /^([^=]*)=([^=]*)=([=+-].*)$/s.exec(tail)
  if (parts === null) return { kind: 'forged' }
  const [hash, first, rest] = parts.slice(1) as [string, string, string]
  if (!isHash(hash, secrets, ['srs1', first, rest])) return { kind: 'forged' }
  return sender(`SRS0${rest}`, first)
}

function sender(content: string, domain: string): SrsAddress {
  const address = `${spellLocal(content)}@${domain}`
  return canonicalAddress(address) === undefined ? { kind: 'forged' } : { kind: 'sender', address }
}

// Letters' case is lost on the way with some; the hash does not look at it.
function hashOf(secret: Uint8Array, parts: readonly string[]): string {
  const digest = createHmac('sha256', secret).update(parts.join('\0').toLowerCase()).digest()
  let text = ''
  for (let at = 0; at < hashCharacters; at++) text += ALPHABET.charAt((digest[at] as number) & 31)
  return text
}

function isHash(given: string, secrets: readonly Uint8Array[], parts: readonly string[]): boolean {
  const bytes = Buffer.from(given.toLowerCase())
  let matches = false
  for (const secret of secrets) {
    const expected = Buffer.from(hashOf(secret, parts))
    if (bytes.length === expected.length && timingSafeEqual(bytes, expected)) matches = true
  }
  return matches
}

function dayName(nowMs: number): string {
  const day = Math.floor(nowMs / dayMs) % dayCycle
  return ALPHABET.charAt(day >> 5) + ALPHABET.charAt(day & 31)
}

/** Names of days come again after 1,024; a day that is ahead (another node's clock) counts as today. */
function daysSince(name: string, nowMs: number): number {
  const [high, low] = name
    .toLowerCase()
    .split('')
    .map((digit) => ALPHABET.indexOf(digit))
  if (high === undefined || low === undefined || name.length !== 2 || high < 0 || low < 0) return Infinity
  const days = (Math.floor(nowMs / dayMs) - (high * 32 + low) + 2 * dayCycle) % dayCycle
  return days >= dayCycle - 1 ? 0 : days
}
