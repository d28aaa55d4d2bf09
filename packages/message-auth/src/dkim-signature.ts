// One DKIM-Signature field, read (RFC 6376 §3.5, §6.1.1; RFC 8301; RFC 8463; RFC 8616). Never throws.
import tools from 'mailauth/lib/tools.js'
import { asUtf8, fieldNames, readTagList } from './tag-list.ts'

export interface DkimSignature {
  /** The whole field, bytes as latin1 characters. */
  field: string
  /** d=, s=, a=, b= and bh=, each '' where it is not there. */
  domain: string
  selector: string
  algorithm: string
  signature: string
  bodyHash: string
  /** i= with its domain in A-labels, or `@d`. */
  identity: string
  /** The domain of an i= that is there. */
  identityDomain: string | undefined
  keyType: 'rsa' | 'ed25519'
  hash: 'sha256' | 'sha1'
  headerForm: 'simple' | 'relaxed'
  bodyForm: 'simple' | 'relaxed'
  /** Lower-case names of h=, in order. */
  fields: readonly string[]
  /** l= */
  bodyBytesMax: number | undefined
  /** x= */
  expiresMs: number | undefined
  /** Why it counts for nothing, before any key is asked for; or ''. */
  fault: string
}

const algorithmWord = /^(rsa|ed25519)-(sha256|sha1)$/
const needed = ['v', 'a', 'b', 'bh', 'd', 'h', 's']
const label = '[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?'
const domainName = new RegExp(`^${label}(?:\\.${label})+$`)
const selectorName = new RegExp(`^${label}(?:\\.${label})*$`)
const time = /^\d{1,12}$/
const length = /^\d{1,76}$/
/** RFC 5321 Local-part, with the UTF-8 of RFC 6531. */
const atom = "(?:[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]|[^\\0-\\x7f])+"
const localPart = new RegExp(`^(?:${atom}(?:\\.${atom})*|"(?:[^"\\\\\\r\\n]|\\\\.)*")$`)

export function readSignature(field: string): DkimSignature {
  const list = readTagList(asUtf8(field.slice(field.indexOf(':') + 1)))
  const tag = (name: string) => list.tags.get(name) ?? ''
  const [headerWord = '', bodyWord] = (tag('c') || 'simple').split('/')
  const headerForm = formOf(headerWord)
  const bodyForm = formOf(bodyWord || 'simple')
  const algorithm = algorithmWord.exec(tag('a').toLowerCase())
  const domain = tag('d')
  const identity = list.tags.has('i') ? decoded(tag('i')) : domain && `@${domain}`
  const at = identity.lastIndexOf('@')
  const read: DkimSignature = {
    field,
    domain,
    selector: tag('s'),
    algorithm: tag('a'),
    signature: tag('b'),
    bodyHash: tag('bh'),
    identity: at < 0 ? identity : identity.slice(0, at + 1) + tools.toALabel(identity.slice(at + 1)),
    identityDomain: list.tags.has('i') && at >= 0 ? identity.slice(at + 1) : undefined,
    keyType: algorithm?.[1] === 'ed25519' ? 'ed25519' : 'rsa',
    hash: algorithm?.[2] === 'sha1' ? 'sha1' : 'sha256',
    headerForm: headerForm ?? 'simple',
    bodyForm: bodyForm ?? 'simple',
    fields: fieldNames(tag('h')),
    bodyBytesMax: list.tags.has('l') ? Number(tag('l')) : undefined,
    expiresMs: list.tags.has('x') ? Number(tag('x')) * 1000 : undefined,
    fault: '',
  }
  const isKnown = algorithm !== null && algorithm[0] !== 'ed25519-sha1'
  if (!isKnown) read.fault = 'unknown algorithm'
  else if (!headerForm || !bodyForm) read.fault = 'unknown canonicalization'
  else if (domain === '' || read.selector === '') read.fault = 'signature missing required tag'
  else read.fault = faultIn(read, list, identity)
  return read
}

/** RFC 6376 §6.1.1, in the order in which mailauth says it. */
function faultIn(
  { domain, selector, fields }: DkimSignature,
  { tags, isValid }: ReturnType<typeof readTagList>,
  identity: string,
): string {
  const syntax = 'signature syntax error'
  const follows = (name: string, format: RegExp) => !tags.has(name) || format.test(tags.get(name) as string)
  if (!isValid) return syntax
  if (needed.some((name) => !tags.has(name))) return 'signature missing required tag'
  if (tags.get('v') !== '1') return 'incompatible version'
  if (!follows('t', time) || !follows('x', time) || !follows('l', length)) return syntax
  if (fields.length === 0) return syntax
  if (!domainName.test(tools.toALabel(domain)) || !selectorName.test(tools.toALabel(selector))) return syntax
  const methods = tags.get('q')
  if (methods !== undefined && !methods.split(':').some((it) => it.trim().toLowerCase() === 'dns/txt')) {
    return 'unsupported query method'
  }
  if (tags.has('i')) {
    const at = identity.lastIndexOf('@')
    const local = identity.slice(0, Math.max(0, at))
    const host = identity.slice(at + 1)
    if (at < 0 || (local !== '' && !localPart.test(local)) || !domainName.test(tools.toALabel(host))) return syntax
    if (!tools.isSameOrSubdomain(host, domain)) return 'domain mismatch'
  }
  if (tags.has('t') && tags.has('x') && Number(tags.get('x')) <= Number(tags.get('t'))) return 'invalid expiration'
  // What says nothing of the author says nothing at all.
  return fields.includes('from') ? '' : 'From field not signed'
}

function formOf(word: string): 'simple' | 'relaxed' | undefined {
  const form = word.toLowerCase().trim()
  return form === 'simple' || form === 'relaxed' ? form : undefined
}

/** RFC 6376 §2.11. */
function decoded(text: string): string {
  const word = text.replace(/[ \t\r\n]+/g, '')
  if (!word.includes('=')) return word
  const bytes = Buffer.from(word).toString('latin1')
  const plain = bytes.replace(/=([0-9A-Fa-f]{2})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)))
  return Buffer.from(plain, 'latin1').toString('utf8')
}
