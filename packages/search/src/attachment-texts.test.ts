// Office documents are read, and archives that were made to do harm cost no more than the limits.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crc32, deflateRawSync } from 'node:zlib'
import { indexMessage } from '@skein/mail'
import { attachmentTexts, xmlText } from './attachment-texts.ts'
import { searchLimits } from './limits.ts'

interface Entry {
  name: string
  data: Buffer
  /** What the directory says that it holds, where that is a lie. */
  claimed?: number
}

function zip(entries: readonly Entry[]): Buffer {
  const locals: Buffer[] = []
  const directory: Buffer[] = []
  let offset = 0
  for (const { name, data, claimed } of entries) {
    const packed = deflateRawSync(data)
    const head = Buffer.alloc(30)
    head.writeUInt32LE(0x04034b50, 0)
    head.writeUInt16LE(20, 4)
    head.writeUInt16LE(8, 8)
    head.writeUInt32LE(crc32(data), 14)
    head.writeUInt32LE(packed.length, 18)
    head.writeUInt32LE(claimed ?? data.length, 22)
    head.writeUInt16LE(name.length, 26)
    const row = Buffer.alloc(46)
    row.writeUInt32LE(0x02014b50, 0)
    head.copy(row, 6, 4, 30)
    row.writeUInt32LE(offset, 42)
    locals.push(head, Buffer.from(name), packed)
    directory.push(row, Buffer.from(name))
    offset += 30 + name.length + packed.length
  }
  const rows = Buffer.concat(directory)
  const end = Buffer.alloc(22)
  end.writeUInt32LE(0x06054b50, 0)
  end.writeUInt16LE(entries.length, 8)
  end.writeUInt16LE(entries.length, 10)
  end.writeUInt32LE(rows.length, 12)
  end.writeUInt32LE(offset, 16)
  return Buffer.concat([...locals, rows, end])
}

function letterWith(name: string, bytes: Buffer, type = 'application/octet-stream'): Buffer {
  return Buffer.from(
    [
      'Content-Type: multipart/mixed; boundary=b',
      '',
      '--b',
      '',
      'See the attachment.',
      '--b',
      `Content-Type: ${type}; name="${name}"`,
      'Content-Transfer-Encoding: base64',
      '',
      bytes.toString('base64').replace(/.{76}/g, '$&\r\n'),
      '--b--',
      '',
    ].join('\r\n'),
  )
}

function textOf(name: string, bytes: Buffer, type?: string): Promise<string> {
  const letter = letterWith(name, bytes, type)
  return attachmentTexts(letter, indexMessage(letter))
}

test('the text of documents of both families is read', async () => {
  const word =
    '<w:document><w:p><w:r><w:t>Quarterly </w:t></w:r><w:r><w:t>figures &amp; 图表</w:t></w:r></w:p><w:p><w:t>two</w:t></w:p></w:document>'
  const docx = zip([
    { name: 'word/media/image1.png', data: Buffer.from('not text') },
    { name: 'word/document.xml', data: Buffer.from(word) },
  ])
  assert.equal(await textOf('报告.docx', docx), 'Quarterly figures & 图表\ntwo')
  const odt = zip([{ name: 'content.xml', data: Buffer.from('<office:text><text:p>Guten Tag</text:p></office:text>') }])
  assert.equal(await textOf('x', odt, 'application/vnd.oasis.opendocument.text'), 'Guten Tag')
  const xlsx = zip([
    { name: 'xl/sharedStrings.xml', data: Buffer.from('<sst><si><t>one</t></si><si><t>two</t></si></sst>') },
  ])
  assert.equal(await textOf('a.XLSX', xlsx), 'one\ntwo')
  const pptx = zip([{ name: 'ppt/slides/slide1.xml', data: Buffer.from('<a:p><a:t>slide</a:t></a:p>') }])
  assert.equal(await textOf('a.pptx', pptx), 'slide')
})

test('what is no archive, or only partly one, gives what can be read', async () => {
  const docx = zip([{ name: 'word/document.xml', data: Buffer.from('<w:t>hello</w:t>') }])
  for (const bytes of [
    Buffer.alloc(0),
    Buffer.from('hello'),
    docx.subarray(0, 40),
    Buffer.alloc(100_000, 'PK\x05\x06'),
  ]) {
    assert.equal(await textOf('a.docx', bytes), '')
  }
  const broken = Buffer.from(docx)
  broken.fill(0xff, 47, 60)
  await textOf('a.docx', broken)
})

test('archives that swell, lie about it, or have entries without number end at the limits', async () => {
  const started = performance.now()
  const name = 'word/document.xml'
  const bomb = zip([{ name, data: Buffer.alloc(64 * 1024 * 1024) }])
  assert.equal(await textOf('a.docx', bomb), '')
  const liar = zip([{ name, data: Buffer.alloc(32 * 1024 * 1024), claimed: 1000 }])
  assert.ok((await textOf('a.docx', liar)).length <= 1000)
  const slides = Array.from({ length: 40 }, (_, at) => ({
    name: `ppt/slides/slide${at}.xml`,
    data: Buffer.alloc(900_000, `a${at} `),
  }))
  assert.ok((await textOf('a.pptx', zip(slides))).length <= searchLimits.archiveBytesMax + 1_000_000)
  const many = Array.from({ length: 20_000 }, (_, at) => ({ name: `x${at}`, data: Buffer.alloc(0) }))
  many.push({ name, data: Buffer.from('<w:t>behind</w:t>') })
  assert.equal(await textOf('a.docx', zip(many)), '')
  assert.ok(performance.now() - started < 20_000)
})

test('XML to text is linear, however broken it is', () => {
  const started = performance.now()
  for (const xml of ['<'.repeat(1_000_000), '&#'.repeat(500_000), '<a '.repeat(300_000), `${'\n '.repeat(300_000)}x`])
    xmlText(xml)
  assert.ok(performance.now() - started < 5000)
  assert.equal(xmlText('<a>1 &lt; 2 &#x4f1a;&#8364;</a>'), '1 < 2 会€')
})
