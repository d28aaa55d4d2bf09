// Our verifier of DKIM signatures against mailauth's: the same letters, signed in every form and then changed as letters are on
// their way and as those do who forge them, have the same results for the same reasons, in chunks of any size.
import assert from 'node:assert/strict'
import { createHash, createPrivateKey, sign } from 'node:crypto'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { createBodyHash } from '../src/body-hash.ts'
import { letterFields, relaxedField } from '../src/letter-fields.ts'
import { withoutSignature } from '../src/tag-list.ts'
import { checkSignatures } from '../src/verify-letter.ts'
import { ed25519Key, rsaKey, type TestKey } from './keys.ts'
import { otherVerdicts } from './other-verifier.ts'

const nowMs = 1_800_000_000_000
const rsa = rsaKey('rsa', 1024)
const ed = ed25519Key('ed')
const zone = new Map(
  Object.entries({
    'rsa._domainkey.a.example': rsa.record,
    'ed._domainkey.a.example': ed.record,
    'exact._domainkey.a.example': rsa.record.replace('k=rsa', 't=s; k=rsa'),
    'sha1._domainkey.a.example': rsa.record.replace('k=rsa', 'h=sha1; k=rsa'),
    'other._domainkey.a.example': rsaKey('other', 1024).record,
    'weak._domainkey.a.example': rsaKey('weak', 512).record,
    'revoked._domainkey.a.example': 'v=DKIM1; p=',
    'v2._domainkey.a.example': rsa.record.replace('DKIM1', 'DKIM2'),
    'tlsrpt._domainkey.a.example': rsa.record.replace('k=rsa', 's=tlsrpt; k=rsa'),
    'junk._domainkey.a.example': 'v=DKIM1; k=rsa; p=AAAA',
    'rsa._domainkey.xn--bcher-kva.example': rsa.record,
  }).map(([name, record]) => [name, [[record]]] as const),
)
const resolver = async (name: string) => {
  const records = zone.get(name)
  if (records) return records
  const code = name.startsWith('dead') ? 'ESERVFAIL' : 'ENOTFOUND'
  throw Object.assign(new Error(code), { code })
}

const blank = fc.constantFrom(' ', '\t', '  ', ' \t', '\r\n ', ' \r\n\t')
const word = fc.constantFrom('x', 'Hello', 'é', '=', ';', ':', 'b=', '\u00a0', '<a@a.example>', '(c)')
const text = fc.array(fc.oneof(blank, word), { maxLength: 6 }).map((parts) => parts.join(''))
const fieldName = fc.constantFrom(
  'From',
  'FROM',
  'To',
  'Subject',
  'subject',
  'Date',
  'X-A',
  'Received',
  'From ',
  'To\r\n ',
)
const field = fc.oneof(
  { weight: 12, arbitrary: fc.tuple(fieldName, text).map(([name, value]) => `${name}:${value}`) },
  { weight: 1, arbitrary: fc.constantFrom('no field', ':no name', 'From', 'x\u00a0y: z') },
)
const line = fc.oneof(
  { weight: 8, arbitrary: fc.constant('\r\n') },
  { weight: 6, arbitrary: fc.constantFrom('hello', 'a  b', '\ta', 'a ', 'a \t', ' ', '.', 'é') },
  { weight: 1, arbitrary: fc.constantFrom('\n', '\r', ' \r', '\r\r\n', '\n\r') },
)
const body = fc.array(line, { maxLength: 14 }).map((parts) => parts.join(''))

interface Signing {
  key: TestKey
  algorithm: string
  c: string
  names: string[]
  tags: string[]
  /** l=, counted from the length of the body. */
  length: number | undefined
  s: string
  d: string
}

const tag = fc.constantFrom(
  't=1700000000',
  't=1900000000',
  'x=1700000000',
  'x=1900000000',
  'x=1900000000; t=1900000000',
  't=soon',
  't=',
  'x=1234567890123',
  'i=@a.example',
  'i=@sub.a.example',
  'i=u=40x@a.example',
  'i="q q"@A.Example',
  'i=@b.example',
  'i=a.example',
  'i=',
  'q=dns/txt',
  'q=x : DNS/TXT',
  'q=http',
  'z=From:b=x|To:y',
  'n=b=1',
  'B=x',
  'l=x',
  'v=1',
  'no tag',
  '',
  '1x=y',
  '\u00a0b=x',
)
const rarely = <Value>(usual: fc.Arbitrary<Value>, other: fc.Arbitrary<Value>) =>
  fc.oneof({ weight: 6, arbitrary: usual }, { weight: 1, arbitrary: other })
const signing: fc.Arbitrary<Signing> = fc
  .record({
    isRsa: fc.boolean(),
    c: rarely(
      fc.constantFrom('relaxed/relaxed', 'simple/simple', 'relaxed/simple', 'simple/relaxed', 'relaxed', 'simple', ''),
      fc.constantFrom('RELAXED/Relaxed', 'strict', 'relaxed/x', 'relaxed/', 'relaxed/simple/x'),
    ),
    names: rarely(
      fc.array(fc.constantFrom('From', 'to', 'Subject', 'subject', 'Date', 'X-A', 'x-none', 'DKIM-Signature'), {
        maxLength: 8,
      }),
      fc.constant([] as never[]),
    ),
    hasFrom: rarely(fc.constant(true), fc.constant(false)),
    tags: rarely(fc.constant([] as string[]), fc.array(tag, { maxLength: 2 })),
    length: rarely(fc.constant(undefined), fc.integer({ min: -4, max: 4 })),
    s: rarely(
      fc.constant(''),
      fc.constantFrom('exact', 'sha1', 'other', 'weak', 'revoked', 'v2', 'tlsrpt', 'junk', 'dead', 'none', 'ed', 'a_b'),
    ),
    d: rarely(
      fc.constant('a.example'),
      fc.constantFrom('A.Example', 'b.example', 'bücher.example', 'example', 'a..b', ''),
    ),
    algorithm: rarely(
      fc.constant(''),
      fc.constantFrom('rsa-sha1', 'RSA-SHA256', 'rsa-sha512', 'ed25519-sha1', 'rsa', 'x'),
    ),
  })
  .map(({ isRsa, names, hasFrom, s, algorithm, ...rest }) => ({
    ...rest,
    key: isRsa ? rsa : ed,
    algorithm: algorithm || (isRsa ? 'rsa-sha256' : 'ed25519-sha256'),
    names: hasFrom ? ['From', ...names] : names,
    s: s || (isRsa ? 'rsa' : 'ed'),
  }))

/** What the signer's own program would write; where its settings make no sense, something like it. */
function signed(fields: string, bodyText: string, { key, algorithm, c, names, tags, length, s, d }: Signing): string {
  const [headerForm, bodyForm = 'simple'] = c.toLowerCase().split('/')
  const hash = algorithm.endsWith('sha1') ? 'sha1' : 'sha256'
  const bytes = Buffer.from(bodyText)
  const l = length === undefined ? undefined : Math.max(0, bytes.length + length)
  const hasher = createBodyHash(bodyForm === 'relaxed' ? 'relaxed' : 'simple', hash, l)
  hasher.update(bytes)
  const list = [
    'v=1',
    `a=${algorithm}`,
    ...(c === '' ? [] : [`c=${c}`]),
    `d=${d}`,
    `s=${s}`,
    `h=${names.join(':\r\n\t')}`,
    ...tags,
    ...(l === undefined ? [] : [`l=${l}`]),
    `bh=${hasher.digest().base64}`,
    'b=',
  ]
  const own = Buffer.from(`DKIM-Signature: ${list.join('; ')}`).toString('latin1')
  const isRelaxed = headerForm === 'relaxed'
  const left = letterFields(Buffer.from(fields))
  let toSign = ''
  for (const name of names) {
    const at = left.findLastIndex((it) => it.key === name.toLowerCase())
    const [found] = at < 0 ? [] : left.splice(at, 1)
    if (found) toSign += `${isRelaxed ? relaxedField(found.text) : found.text}\r\n`
  }
  toSign += withoutSignature(isRelaxed ? relaxedField(own) : own)
  const data = Buffer.from(toSign, 'latin1')
  const using = createPrivateKey(key.privateKey)
  const b = key === rsa ? sign(hash, data, using) : sign(null, createHash('sha256').update(data).digest(), using)
  const value = b.toString('base64').replace(/.{30}/g, '$&\r\n ')
  return `${Buffer.from(own, 'latin1').toString()}${value}\r\n`
}

/** What happens on the way; most letters come as they were sent. */
const change = rarely(
  fc.constant((letter: string) => letter),
  fc
    .tuple(fc.nat(), fc.nat({ max: 3 }), fc.constantFrom('', ' ', '\r\n', '\r\n ', 'x', ';', 'b=', ': ', '\t'))
    .map(([at, gone, put]) => (letter: string) => {
      const place = at % (letter.length + 1)
      return letter.slice(0, place) + put + letter.slice(place + gone)
    }),
)

function split(letter: Buffer): { header: Buffer; body: Buffer } {
  const [end] = /^\r?\n|\n\r?\n/.exec(letter.toString('latin1')) ?? []
  const length = end === undefined ? letter.length : letter.indexOf(end) + end.length
  return { header: letter.subarray(0, length), body: letter.subarray(length) }
}

const chunksOf = (bytes: Buffer, size: number) =>
  Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) => bytes.subarray(index * size, (index + 1) * size))

test('both say the same of any letter', async () => {
  const seen = new Map<string, number>()
  const letters = fc.tuple(fc.array(field, { maxLength: 6 }), body, fc.array(signing, { minLength: 1, maxLength: 3 }))
  await fc.assert(
    fc.asyncProperty(
      letters,
      change,
      fc.integer({ min: 1, max: 50 }),
      async ([fields, bodyText, signings], changed, size) => {
        let header = ['From: A <a@a.example>', ...fields].map((it) => `${it}\r\n`).join('')
        for (const each of signings) header = signed(header, bodyText, each) + header
        const letter = Buffer.from(changed(`${header}\r\n${bodyText}`))
        const parts = split(letter)
        const theirs = await otherVerdicts(parts.header, chunksOf(parts.body, size), nowMs, resolver)
        const pieces = async function* () {
          yield* chunksOf(letter, size)
        }
        const ours = await checkSignatures(pieces(), nowMs, resolver)
        assert.deepEqual(ours.dkim, theirs)
        for (const { result, reason } of theirs)
          seen.set(`${result} ${reason}`, (seen.get(`${result} ${reason}`) ?? 0) + 1)
      },
    ),
    { numRuns: Number(process.env['DKIM_RUNS'] ?? 2000) },
  )
  if (process.env['DKIM_SHOW']) console.log(seen)
  // The letters are not all of one kind.
  for (const outcome of [...outcomes, 'pass ']) assert.ok(seen.has(outcome), outcome)
})

const outcomes = [
  'fail body hash did not verify',
  'fail bad signature',
  'policy weak algorithm',
  'policy the signature leaves out a part of the body (l=)',
  'permerror no key',
  'permerror invalid public key',
  'permerror inappropriate hash algorithm',
  'neutral signature syntax error',
  'neutral unknown algorithm',
  'neutral unknown canonicalization',
  'neutral From field not signed',
]

test('a body has one hash, whatever the chunks', () => {
  const cut = fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 20 })
  fc.assert(
    fc.property(
      fc.array(fc.oneof(line, fc.constant('\r\n\r\n')), { maxLength: 30 }),
      cut,
      fc.constantFrom('simple' as const, 'relaxed' as const),
      fc.option(fc.nat({ max: 40 }), { nil: undefined }),
      (parts, cuts, form, lengthMax) => {
        const bytes = Buffer.from(parts.join(''))
        const whole = createBodyHash(form, 'sha256', lengthMax)
        whole.update(bytes)
        const pieces = createBodyHash(form, 'sha256', lengthMax)
        let at = 0
        for (const length of cuts) {
          pieces.update(bytes.subarray(at, at + length))
          at += length
        }
        pieces.update(bytes.subarray(at))
        assert.deepEqual(pieces.digest(), whole.digest())
      },
    ),
    { numRuns: 3000 },
  )
})

test('random bytes for a header have the same results, and no exception', async () => {
  const piece = fc.oneof(
    fc.constantFrom(
      'DKIM-Signature:',
      'From:',
      '\r\n',
      '\n',
      ';',
      '=',
      'a=rsa-sha256',
      'd=a.example',
      's=rsa',
      'h=from',
      ' ',
    ),
    fc.string({ unit: 'binary', maxLength: 3 }),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 40 }), async (parts) => {
      const { header, body: rest } = split(Buffer.from(`DKIM-Signature: ${parts.join('')}`))
      const theirs = await otherVerdicts(header, [rest], nowMs, resolver)
      const ours = await checkSignatures(
        (async function* () {
          yield header
          yield rest
        })(),
        nowMs,
        resolver,
      )
      assert.deepEqual(ours.dkim, theirs)
    }),
    { numRuns: 2000 },
  )
})
