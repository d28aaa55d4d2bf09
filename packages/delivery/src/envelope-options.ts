// What a sender asks for with a letter beyond its delivery: the parameters of MAIL and RCPT that travel with it.
// Every field is optional, and its absence is what letters were before there was such a field. Readers check the fields that
// they know and carry the others along, so that an older node between two newer ones loses nothing.
import type { CborValue } from '@skein/runtime'

/** MAIL's parameters. */
export interface EnvelopeOptions {
  /** BODY=BINARYMIME (RFC 3030): the bytes are no lines; a host without BINARYMIME gets a converted letter or none. */
  binary?: boolean
  /** RET (RFC 3461 §4.3): how much of the letter comes back with a notice of failure. */
  ret?: 'full' | 'hdrs'
  /** ENVID (RFC 3461 §4.4) as given, in xtext: it is passed on unchanged. */
  envid?: string
  /** REQUIRETLS (RFC 8689 §2): only over verified TLS, only to hosts that promise the same. */
  requireTls?: boolean
  /** `TLS-Required: No` in the header (RFC 8689 §3): better in clear text than not at all. Never together with `requireTls`. */
  tlsOptional?: boolean
  /** BY (RFC 2852 §4): a moment, and what happens then. `trace`: each hop tells the sender. */
  deliverBy?: { atMs: number; mode: 'return' | 'notify'; trace?: boolean }
  /** MT-PRIORITY (RFC 6710), -9 to 9; absent: 0. */
  priority?: number
  /** HOLDFOR or HOLDUNTIL (RFC 4865) as a moment: no attempt before it. */
  holdUntilMs?: number
  /** SOLICIT (RFC 3865 §2.3): what the sender says that the letter offers; passed on unchanged. */
  solicit?: string
}

export type NotifyWish = 'success' | 'failure' | 'delay'

/** RCPT's parameters. */
export interface RecipientOptions {
  /** NOTIFY (RFC 3461 §4.1); none for NEVER. Absent: failure and delay, as this house does it. */
  notify?: readonly NotifyWish[]
  /** ORCPT (RFC 3461 §4.2) as given, `type;xtext`: it is passed on unchanged. */
  orcpt?: string
}

export function wantsNotice(options: RecipientOptions | undefined, wish: NotifyWish): boolean {
  return options?.notify ? options.notify.includes(wish) : wish !== 'success'
}

export const priorityMax = 9

type CborMap = { [key: string]: CborValue | undefined }

/**
 * From another node's words. A known field of another shape is left out, as though it had not been said: what a later
 * version means by it can't be guessed, and the letter is delivered all the same. `undefined` where there is nothing.
 */
export function readEnvelopeOptions(value: CborValue | undefined): EnvelopeOptions | undefined {
  return read<EnvelopeOptions>(value, {
    binary: isFlag,
    ret: (it) => it === 'full' || it === 'hdrs',
    envid: isText,
    requireTls: isFlag,
    tlsOptional: isFlag,
    deliverBy: (it) =>
      isMap(it) &&
      isMoment(it['atMs']) &&
      (it['mode'] === 'return' || it['mode'] === 'notify') &&
      isFlagOrNot(it['trace']),
    priority: (it) => Number.isInteger(it) && Math.abs(it as number) <= priorityMax,
    holdUntilMs: isMoment,
    solicit: isText,
  })
}

export function readRecipientOptions(value: CborValue | undefined): RecipientOptions | undefined {
  return read<RecipientOptions>(value, {
    notify: (it) =>
      Array.isArray(it) && it.every((wish) => wish === 'success' || wish === 'failure' || wish === 'delay'),
    orcpt: isText,
  })
}

type Check = (value: CborValue | undefined) => boolean

function read<Options extends object>(
  value: CborValue | undefined,
  checks: Record<keyof Options & string, Check>,
): Options | undefined {
  if (!isMap(value)) return undefined
  const known: Readonly<Record<string, Check>> = checks
  const kept = Object.entries(value).filter(([name, field]) => !Object.hasOwn(known, name) || known[name]?.(field))
  return kept.length === 0 ? undefined : (Object.fromEntries(kept) as Options)
}

const isMap = (value: CborValue | undefined): value is CborMap =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array)
const isFlag: Check = (value) => typeof value === 'boolean'
const isFlagOrNot: Check = (value) => value === undefined || typeof value === 'boolean'
const isText: Check = (value) => typeof value === 'string'
const isMoment: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0
