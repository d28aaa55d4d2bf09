import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { asBuffer } from './byte-view.ts'
import { indexMessage } from './message-index.ts'
import { decodePart } from './readable-text.ts'
import { ConversionSurvey, type Survey, TransferConversion, type TransferTarget } from './transfer-conversion.ts'
import type { MimePart } from './types.ts'

function pieces(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const offsets = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length]
  return offsets.slice(1).map((end, at) => bytes.subarray(offsets[at], end))
}

function survey(bytes: Buffer, target: TransferTarget, mayBeBinary: boolean, cuts: readonly number[] = []): Survey {
  const first = new ConversionSurvey(target, { mayBeBinary })
  for (const piece of pieces(bytes, cuts)) first.push(Buffer.from(piece))
  return first.end()
}

function convert(
  bytes: Buffer,
  target: TransferTarget,
  mayBeBinary: boolean,
  cuts: readonly number[] = [],
): Buffer | string {
  const found = survey(bytes, target, mayBeBinary, cuts)
  if (found.kind !== 'convert') return found.kind === 'as-is' ? bytes : `impossible: ${found.why}`
  const second = new TransferConversion(found.plan)
  const out: Buffer[] = []
  for (const piece of pieces(bytes, cuts)) {
    // As a log would that uses its memory again.
    const lent = Buffer.from(piece)
    out.push(...second.push(lent))
    lent.fill(0)
  }
  return Buffer.concat([...out, ...second.end()])
}

function leaves(bytes: Buffer): string[] {
  const found: string[] = []
  const visit = (part: MimePart) => {
    if (part.children.length === 0) found.push(asBuffer(decodePart(bytes, part)).toString('latin1'))
    for (const child of part.children) visit(child)
  }
  visit(indexMessage(bytes).root)
  return found
}

const textBody = fc
  .array(fc.constantFrom('plain', 'caf\u00e9', '\u4f60\u597d', ' ', '\t', '=', '.', '--x', 'From ', '\r\n'), {
    maxLength: 40,
  })
  .map((words) => Buffer.from(words.join('')).toString('latin1'))
const binaryBody = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes).toString('latin1'))

const leaf = (isBinary: boolean) =>
  fc
    .record({
      type: fc.constantFrom('text/plain', 'text/html', 'image/png', ''),
      body: isBinary ? binaryBody : textBody,
    })
    .map(({ type, body }) => {
      const encoding = isBinary ? 'binary' : '8bit'
      return `${type === '' ? '' : `Content-Type: ${type}\r\n`}Content-Transfer-Encoding: ${encoding}\r\n\r\n${body}`
    })

const tree = (isBinary: boolean) =>
  fc
    .letrec<{ entity: string }>((tie) => ({
      entity: fc.oneof(
        { maxDepth: 3 },
        leaf(isBinary),
        fc
          .record({
            parts: fc.array(tie('entity'), { minLength: 1, maxLength: 3 }),
            boundary: fc.nat(99999),
            label: fc.boolean(),
          })
          .map(({ parts, boundary, label }) => {
            // No boundary stands in what it bounds.
            let name = `b${boundary}`
            while (parts.some((part) => part.includes(name))) name += 'q'
            const inner = parts.map((part) => `--${name}\r\n${part}\r\n`).join('')
            const encoding = label ? `Content-Transfer-Encoding: ${isBinary ? 'binary' : '8bit'}\r\n` : ''
            return `Content-Type: multipart/mixed; boundary="${name}"\r\n${encoding}\r\npreamble\r\n${inner}--${name}--\r\nepilogue`
          }),
        tie('entity').map(
          (inner) => `Content-Type: message/rfc822\r\n\r\nSubject: inner\r\nMIME-Version: 1.0\r\n${inner}`,
        ),
      ),
    }))
    .entity.map((entity) => Buffer.from(`From: a@b.c\r\nMIME-Version: 1.0\r\n${entity}`, 'latin1'))

const cuts = fc.array(fc.nat(), { maxLength: 6 })

for (const [target, isBinary] of [
  ['7bit', false],
  ['7bit', true],
  ['8bit', true],
] as const) {
  test(`to ${target}, from ${isBinary ? 'binary' : '8-bit'}: every part decodes to what it was, whatever the pieces`, () => {
    fc.assert(
      fc.property(tree(isBinary), cuts, (bytes, at) => {
        const converted = convert(bytes, target, isBinary)
        assert.ok(Buffer.isBuffer(converted), String(converted))
        assert.deepEqual(convert(bytes, target, isBinary, at), converted)
        assert.deepEqual(leaves(converted), leaves(bytes))
        const text = converted.toString('latin1')
        if (target === '7bit') assert.doesNotMatch(text, /[\u0080-\u00ff]/)
        if (isBinary) assert.doesNotMatch(text, /\0|\r(?!\n)|(?<!\r)\n|[^\r\n]{999}/)
        assert.doesNotMatch(text, target === '7bit' ? /Encoding: (?:8bit|binary)/ : /Encoding: binary/)
        // What was converted needs no more of it.
        assert.equal(survey(converted, target, isBinary).kind, 'as-is')
      }),
      { numRuns: 300 },
    )
  })
}

test('random bytes: never a throw, and the same result whatever the pieces', () => {
  const words = fc.constantFrom(
    'Content-Type: multipart/mixed; boundary=b\r\n',
    'Content-Type: message/rfc822\n',
    'Content-Transfer-Encoding: 8bit\r\n',
    '\r\n',
    '\n',
    '\r',
    '--b\r\n',
    '--b--\r\n',
    '--b',
    '\u00e9',
    'x'.repeat(1100),
    '-',
  )
  fc.assert(
    fc.property(fc.array(words, { maxLength: 30 }), cuts, (all, at) => {
      const bytes = Buffer.from(all.join(''), 'latin1')
      for (const target of ['7bit', '8bit'] as const) {
        assert.deepEqual(convert(bytes, target, true, at), convert(bytes, target, true))
      }
    }),
    { numRuns: 500 },
  )
})

const table: [string, string, string | RegExp][] = [
  ['plain ASCII', 'Subject: x\r\n\r\nhello\r\n', 'Subject: x\r\n\r\nhello\r\n'],
  [
    '8-bit text without labels (RFC 1428)',
    'Subject: x\r\n\r\ncaf\xc3\xa9 and more of it\r\n',
    'Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\n' +
      'Content-Transfer-Encoding: quoted-printable\r\n\r\ncaf=C3=A9 and more of it\r\n',
  ],
  [
    'the old label goes, the other fields stay where they are',
    'MIME-Version: 1.0\r\nContent-Transfer-Encoding:\r\n 8bit\r\nContent-Type: text/plain\r\nX-Last: 1\r\n\r\naaaaaaa \xe9 \r\nb',
    'MIME-Version: 1.0\r\nContent-Type: text/plain\r\nX-Last: 1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\naaaaaaa =E9=20\r\nb',
  ],
  ['8-bit in the header', 'Subject: \xe9\r\n\r\n\xe9', /impossible: 8-bit text in a header/],
  [
    '8-bit inside a signature',
    'Content-Type: multipart/signed; boundary=s\r\n\r\n--s\r\nContent-Type: text/plain\r\n\r\n\xe9\r\n--s\r\n\r\nsig\r\n--s--\r\n',
    /impossible: a part that is signed/,
  ],
  [
    'a signature over ASCII is left alone',
    'Content-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\nContent-Type: multipart/signed; boundary=s\r\n\r\n--s\r\n\r\nx\r\n--s--\r\n--m\r\n\r\n\xe9\xe9\r\n--m--\r\n',
    /--s\r\n\r\nx\r\n--s--\r\n--m\r\nContent-Transfer-Encoding: base64\r\n\r\n6ek=\r\n--m--/,
  ],
  [
    '8-bit under another encoding',
    'Content-Transfer-Encoding: quoted-printable\r\n\r\n\xe9',
    /impossible: 8-bit bytes in a body/,
  ],
  ['8-bit in a report', 'Content-Type: message/delivery-status\r\n\r\n\xe9', /impossible/],
  [
    '8-bit in a preamble',
    'Content-Type: multipart/mixed; boundary=m\r\n\r\n\xe9\r\n--m\r\n\r\nx\r\n--m--',
    /impossible: 8-bit text outside/,
  ],
]

for (const [name, from, to] of table) {
  test(`to 7bit: ${name}`, () => {
    const found = convert(Buffer.from(from, 'latin1'), '7bit', false)
    const text = typeof found === 'string' ? found : found.toString('latin1')
    if (typeof to === 'string') assert.equal(text, to)
    else assert.match(text, to)
  })
}
