// Indexes the whole corpus: invariants for every message, and for many what a person read out of them by hand.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type MimePart,
  allText,
  decodePart,
  indexMessage,
  parseDsn,
  parseHeaderFields,
  readableText,
} from '../src/index.ts'
import { partText } from '../src/readable-text.ts'
import { corpus } from './corpus.ts'
import { flagsOf } from './corpus-builder.ts'
import { samples } from './corpus-charsets.ts'
import { golden } from './corpus-golden.ts'
import { assertSound } from './index-invariants.ts'

const messages = corpus()
const byName = new Map(messages.map((message) => [message.name, message]))

function bytesOf(name: string): Buffer {
  const message = byName.get(name)
  assert.ok(message !== undefined, `no message ${name} in the corpus`)
  return Buffer.from(message.bytes)
}

/** `mixed(plain,image/png)`: subtypes of multiparts, messages and texts, both for the others. */
export function shape(part: MimePart): string {
  const name =
    ['multipart', 'text'].includes(part.type) || part.envelope !== null ? part.subtype : `${part.type}/${part.subtype}`
  return part.children.length === 0 ? name : `${name}(${part.children.map(shape).join(',')})`
}

test('the corpus has at least 220 messages with names of their own, the same every time', () => {
  assert.ok(messages.length >= 220)
  assert.equal(byName.size, messages.length)
  const again = corpus()
  for (const [index, message] of messages.entries()) {
    assert.equal(again[index]?.name, message.name)
    if (message.big !== true) assert.ok(Buffer.from(message.bytes).equals(again[index].bytes), message.name)
  }
})

test('the flags of a message say what SMTP would make of it', () => {
  for (const { name, bytes, bareLineEnds, noFinalNewline, big } of messages) {
    if (big === true && bytes.length > 4 * 1024 * 1024) continue
    assert.deepEqual(
      { ...(bareLineEnds && { bareLineEnds }), ...(noFinalNewline && { noFinalNewline }) },
      flagsOf(Buffer.from(bytes)),
      name,
    )
  }
})

test('every message is indexed soundly, and its texts can be read', () => {
  for (const message of messages) {
    const { bytes } = message
    const index = indexMessage(bytes)
    if (bytes.length < 1024 * 1024) assertSound(bytes, index)
    assert.equal(index.root.bodyEnd, bytes.length, message.name)
    assert.equal(typeof readableText(bytes, index), 'string')
    if (message.big !== true) assert.equal(typeof allText(bytes, index), 'string')
    parseDsn(bytes)
  }
})

test('indexing looks at the bytes and leaves them alone', () => {
  for (const { bytes, big } of messages) {
    if (big === true) continue
    const before = Buffer.from(bytes)
    indexMessage(bytes)
    assert.ok(before.equals(bytes))
  }
})

test('a view into larger bytes gives the same index', () => {
  for (const { name, bytes, big } of messages) {
    if (big === true) continue
    const around = new Uint8Array(bytes.length + 20).fill(45)
    around.set(bytes, 7)
    assert.deepEqual(indexMessage(around.subarray(7, 7 + bytes.length)), indexMessage(bytes), name)
  }
})

test('each charset is read in its subject and text, in every transfer encoding', () => {
  for (const { charset, subject, text } of samples) {
    for (const encoding of ['8bit', 'quoted', 'base64']) {
      const name = `charset-${charset}-${encoding}`
      const bytes = bytesOf(name)
      const index = indexMessage(bytes)
      assert.equal(index.subject, subject, name)
      assert.equal(readableText(bytes, index).trimEnd(), text, name)
      assert.equal(index.preview, text, name)
    }
  }
})

function partAt(root: MimePart, path: string): MimePart {
  let part = root
  for (const step of path === '' ? [] : path.split('.')) {
    const child: MimePart | undefined = part.children[Number(step) - 1]
    assert.ok(child !== undefined, `no part ${path}`)
    part = child
  }
  return part
}

test('the messages say what was read out of them by hand', () => {
  assert.ok(golden.length >= 40)
  for (const expected of golden) {
    const { name } = expected
    const bytes = bytesOf(name)
    const index = indexMessage(bytes)
    if (expected.shape !== undefined) assert.equal(shape(index.root), expected.shape, name)
    if (expected.subject !== undefined) assert.equal(index.subject, expected.subject, name)
    if (expected.preview !== undefined) assert.equal(index.preview, expected.preview, name)
    if (expected.text !== undefined) assert.equal(readableText(bytes, index), expected.text, name)
    if (expected.attachment !== undefined) assert.equal(index.hasAttachment, expected.attachment, name)
    if (expected.references !== undefined) assert.deepEqual(index.references, expected.references, name)
    if (expected.date !== undefined) {
      assert.equal(index.dateMs === null ? null : new Date(index.dateMs).toISOString(), expected.date, name)
    }
    if (expected.from !== undefined) assert.deepEqual(index.envelope.from.map(mailbox), expected.from, name)
    if (expected.to !== undefined) assert.deepEqual(index.envelope.to.map(mailbox), expected.to, name)
    for (const [path, body] of Object.entries(expected.bodies ?? {})) {
      const part = partAt(index.root, path)
      assert.equal(bytes.toString('latin1', part.bodyStart, part.bodyEnd), body, `${name} ${path}`)
    }
    for (const [path, text] of Object.entries(expected.texts ?? {})) {
      assert.equal(partText(bytes, partAt(index.root, path)), text, `${name} ${path}`)
    }
    for (const [path, filename] of Object.entries(expected.filenames ?? {})) {
      const part = partAt(index.root, path)
      assert.equal(part.disposition?.parameters['filename'] ?? part.parameters['name'], filename, `${name} ${path}`)
    }
  }
})

function mailbox({
  name,
  mailbox,
  host,
}: {
  name: string | null
  mailbox: string | null
  host: string | null
}): string {
  // The envelope holds raw bytes; these are UTF-8.
  const text = (raw: string | null): string => Buffer.from(raw ?? '', 'latin1').toString()
  if (host === null) return mailbox === null ? ';' : `${text(mailbox)}:`
  return `${name === null ? '' : `${name} `}<${text(mailbox)}@${text(host)}>`
}

test('the 40 MB attachment has exact offsets, and its bytes decode', () => {
  const bytes = bytesOf('attachment-40mb')
  const { root } = indexMessage(bytes)
  const [text, attachment] = root.children
  assert.equal(bytes.toString('latin1', text?.bodyStart, text?.bodyEnd), 'Forty megabytes.')
  assert.ok(attachment !== undefined)
  assert.equal(bytes.toString('latin1', attachment.bodyEnd, attachment.bodyEnd + 13), '\r\n--=_big--\r\n')
  assert.equal(attachment.bodyEnd - attachment.bodyStart, Math.floor((40 * 1024 * 1024) / 78) * 78 - 2)
  assert.equal(decodePart(bytes, attachment).length, Math.floor((40 * 1024 * 1024) / 78) * 57)
})

test('lines of 1 MB are whole', () => {
  const bytes = bytesOf('line-1mb-five')
  const { root } = indexMessage(bytes)
  assert.equal(root.lines, 5)
  assert.equal(root.bodyEnd - root.bodyStart, 5 * (1024 * 1024 + 2))
})

test('5000 siblings and 100 levels are all there', () => {
  const siblings = bytesOf('siblings-5000')
  const { root } = indexMessage(siblings)
  assert.equal(root.children.length, 5000)
  assert.ok(root.children.every((part, i) => siblings.toString('latin1', part.bodyStart, part.bodyEnd) === `part ${i}`))
  for (const name of ['nested-100', 'nested-100-no-ends', 'enclosed-100']) {
    const bytes = bytesOf(name)
    let part = indexMessage(bytes).root
    let depth = 0
    for (; part.children[0] !== undefined; depth += 1) part = part.children[0]
    assert.equal(depth, 100, name)
    assert.equal(`${part.type}/${part.subtype}`, 'text/plain', name)
    assert.equal(bytes.toString('latin1', part.bodyStart, part.bodyEnd).trimEnd(), 'leaf', name)
  }
})

test('10,000 recipients are all in the envelope', () => {
  const { to } = indexMessage(bytesOf('addresses-10000')).envelope
  assert.equal(to.length, 10_000)
  assert.deepEqual(to.at(-1), { name: 'User 9999', adl: null, mailbox: 'user9999', host: 'test.com' })
})

test('a mutated message is indexed soundly', () => {
  // Cuts, doublings and overwrites at places that a fixed sequence chooses.
  let state = 99
  const next = (limit: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return Math.floor((state / 2 ** 32) * limit)
  }
  const small = messages.filter(({ bytes, big }) => big !== true && bytes.length > 0 && bytes.length < 8000)
  for (let round = 0; round < 3000; round += 1) {
    const bytes = Buffer.from(small[next(small.length)]?.bytes ?? [])
    const at = next(bytes.length)
    const to = Math.min(bytes.length, at + next(60))
    const mutated = [
      bytes.subarray(0, at),
      Buffer.concat([bytes.subarray(0, to), bytes.subarray(at)]),
      Buffer.concat([bytes.subarray(0, at), bytes.subarray(to)]),
      Buffer.concat([
        bytes.subarray(0, at),
        Buffer.from([[0, 10, 13, 34, 45, 58, 59, 255][next(8)] ?? 0]),
        bytes.subarray(at + 1),
      ]),
    ][next(4)]
    assert.ok(mutated !== undefined)
    const index = indexMessage(mutated)
    assertSound(mutated, index)
    readableText(mutated, index)
    allText(mutated, index)
    parseDsn(mutated)
    parseHeaderFields(mutated)
  }
})
