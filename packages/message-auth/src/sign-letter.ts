// DKIM signatures (RFC 6376, RFC 8463) over a letter that passes by once. Fields that a stranger must not add later are
// named once more than they occur (RFC 6376 §8.15); mailauth cannot do that.
import { createHash, createPrivateKey, sign, type KeyObject } from 'node:crypto'
import type { SigningKey } from '@skein/filtering'
import { parseHeaderFields } from '@skein/mail'
import { createBodyHash } from './body-hash.ts'
import { readHeader } from './read-header.ts'

/** Named once for each that is there, and once more. */
const sealedFields = [
  'From',
  'Reply-To',
  'To',
  'Cc',
  'Subject',
  'Date',
  'Message-ID',
  'MIME-Version',
  'Content-Type',
  'Content-Transfer-Encoding',
]

/** Named where they are there (RFC 6376 §5.4.1); lists add and change some of them, which is theirs to do. */
const signedFields = [
  'Sender',
  'In-Reply-To',
  'References',
  'Resent-From',
  'Resent-Sender',
  'Resent-To',
  'Resent-Cc',
  'Resent-Date',
  'Resent-Message-ID',
  'List-Id',
  'List-Help',
  'List-Unsubscribe',
  'List-Unsubscribe-Post',
  'List-Subscribe',
  'List-Post',
  'List-Owner',
  'List-Archive',
  'Content-ID',
  'Content-Description',
  'Content-Disposition',
  'Content-Language',
]

export interface SignatureSettings {
  domain: string
  keys: readonly SigningKey[]
  atMs: number
}

/** @returns one field for each key, each ended by CR LF; '' for a letter without From, which nobody can sign. */
export async function signLetter(letter: AsyncIterable<Uint8Array>, settings: SignatureSettings): Promise<string> {
  const { header, rest } = await readHeader(letter)
  const hasher = createBodyHash('relaxed', 'sha256')
  for await (const chunk of rest) hasher.update(chunk)
  const bodyHash = hasher.digest().base64
  const fields = chosenFields(header)
  if (!fields.names.includes('From')) return ''
  return settings.keys.map((key) => signature(key, fields, bodyHash, settings)).join('')
}

interface ChosenFields {
  names: string[]
  /** Canonical, in the order of the names. */
  text: string
}

function chosenFields(header: Buffer): ChosenFields {
  const byName = new Map<string, string[]>()
  for (const { lower, valueStart, end } of parseHeaderFields(header)) {
    const texts = byName.get(lower) ?? []
    texts.push(relaxed(lower, header.toString('latin1', valueStart, end)))
    byName.set(lower, texts)
  }
  const names: string[] = []
  let text = ''
  const take = (name: string) => {
    // RFC 6376 §5.4.2: of several the lowest comes first.
    for (const it of (byName.get(name.toLowerCase()) ?? []).toReversed()) {
      names.push(name)
      text += `${it}\r\n`
    }
  }
  for (const name of sealedFields) {
    take(name)
    if (name !== 'From' || byName.has('from')) names.push(name)
  }
  for (const name of signedFields) take(name)
  return { names, text }
}

/** RFC 6376 §3.4.2. */
function relaxed(name: string, value: string): string {
  const text = value
    .replace(/\r?\n/g, '')
    .replace(/[ \t]+/g, ' ')
    .replace(/^ | $/g, '')
  return `${name}:${text}`
}

function signature(
  { selector, algorithm, privateKey }: SigningKey,
  { names, text }: ChosenFields,
  bodyHash: string,
  { domain, atMs }: SignatureSettings,
): string {
  const isRsa = algorithm === 'rsa-sha256'
  const value =
    ` v=1; a=${algorithm}; c=relaxed/relaxed; d=${domain}; s=${selector};\r\n` +
    `\tt=${Math.floor(atMs / 1000)}; h=${folded(names, ':')};\r\n` +
    `\tbh=${bodyHash};\r\n\tb=`
  const signed = Buffer.from(text + relaxed('dkim-signature', value), 'latin1')
  const key = keyOf(privateKey)
  // RFC 8463 §3: Ed25519 signs the hash.
  const bytes = isRsa ? sign('sha256', signed, key) : sign(null, createHash('sha256').update(signed).digest(), key)
  const base64 = bytes.toString('base64').match(/.{1,70}/g) as string[]
  return `DKIM-Signature:${value}${base64.join('\r\n\t ')}\r\n`
}

function folded(words: readonly string[], separator: string): string {
  let text = ''
  let column = 30
  for (const [index, word] of words.entries()) {
    const piece = index === 0 ? word : separator + word
    if (column + piece.length > 74) {
      text += `${index === 0 ? '' : separator}\r\n\t ${word}`
      column = 10 + word.length
    } else {
      text += piece
      column += piece.length
    }
  }
  return text
}

/** Reading a key costs as much as signing with it. */
const keysRead = new Map<string, KeyObject>()

function keyOf(pem: string): KeyObject {
  let key = keysRead.get(pem)
  if (!key) {
    if (keysRead.size >= 16) keysRead.clear()
    key = createPrivateKey(pem)
    keysRead.set(pem, key)
  }
  return key
}
