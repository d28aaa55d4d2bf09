// Text of attached office documents (OOXML, OpenDocument): archives of XML. Promises: never throws; an archive that
// lies about itself, or would swell, costs at most the limits of limits.ts and is left out from there on.
import { decodePart } from '@skein/mail'
import type { MessageIndex, MimePart } from '@skein/mail'
import yauzl from 'yauzl'
import { searchLimits } from './limits.ts'

/** Entries with what a reader sees, by what the archive is. */
const readable =
  /^(?:word\/(?:document|footnotes|endnotes|comments|header\d*|footer\d*)\.xml|xl\/(?:sharedStrings\.xml|worksheets\/[^/]+\.xml)|ppt\/(?:slides|notesSlides)\/[^/]+\.xml|content\.xml)$/

const archives =
  /^application\/(?:vnd\.openxmlformats-officedocument\.|vnd\.oasis\.opendocument\.|vnd\.ms-(?:word|excel|powerpoint)\.)/
const names = /\.(?:docx|docm|xlsx|xlsm|pptx|pptm|odt|ods|odp)$/i

interface Budget {
  bytes: number
  endMs: number
}

export async function attachmentTexts(bytes: Uint8Array, index: MessageIndex): Promise<string> {
  const parts: MimePart[] = []
  collect(index.root, parts)
  if (parts.length === 0) return ''
  const budget: Budget = {
    bytes: searchLimits.archiveBytesMax,
    endMs: performance.now() + searchLimits.archiveMs,
  }
  const texts: string[] = []
  for (const part of parts.slice(0, searchLimits.attachmentsPerMessageMax)) {
    const text = await archiveText(Buffer.from(decodePart(bytes, part)), budget)
    if (text !== '') texts.push(text)
  }
  return texts.join('\n')
}

function collect(part: MimePart, out: MimePart[]): void {
  const name = part.disposition?.parameters['filename'] ?? part.parameters['name'] ?? ''
  if (part.children.length === 0 && (archives.test(`${part.type}/${part.subtype}`) || names.test(name))) out.push(part)
  for (const child of part.children) collect(child, out)
}

/** '' for what is no archive. */
async function archiveText(bytes: Buffer, budget: Budget): Promise<string> {
  const texts: string[] = []
  try {
    const archive = await yauzl.fromBufferPromise(bytes, { lazyEntries: true })
    let entries = 0
    for await (const entry of archive.eachEntry()) {
      if (++entries > searchLimits.archiveEntriesMax || budget.bytes <= 0 || performance.now() > budget.endMs) break
      if (!readable.test(entry.fileName) || !isBelievable(entry)) continue
      texts.push(xmlText((await entryBytes(archive, entry, budget)).toString()))
    }
  } catch {
    // What was read before the fault counts.
  }
  return texts.join('\n')
}

/** An entry that swells more than text does is a trap (or a table of zeros: no text either). */
function isBelievable({ compressedSize, uncompressedSize }: yauzl.Entry): boolean {
  return (
    uncompressedSize <= searchLimits.archiveEntryBytesMax &&
    uncompressedSize <= Math.max(1024 * 1024, compressedSize * searchLimits.archiveRatioMax)
  )
}

/** Yauzl ends an entry that holds more than it said. */
async function entryBytes(archive: yauzl.ZipFile, entry: yauzl.Entry, budget: Budget): Promise<Buffer> {
  const stream = await archive.openReadStreamPromise(entry)
  const chunks: Buffer[] = []
  for await (const chunk of stream) {
    chunks.push(chunk as Buffer)
    budget.bytes -= (chunk as Buffer).length
    if (budget.bytes <= 0 || performance.now() > budget.endMs) break
  }
  return Buffer.concat(chunks)
}

/** What ends a paragraph, a cell or a line in these languages. */
const breaks =
  /^<(?:\/(?:w:p|w:tc|a:p|si|row|c|v|text:p|text:h|table:table-cell)|w:br|w:tab|text:line-break|text:tab|text:s)\b/

const entities: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

/** The character data of XML, however broken; linear. */
export function xmlText(xml: string): string {
  let out = ''
  for (let at = 0; at < xml.length;) {
    const open = xml.indexOf('<', at)
    out += xml.slice(at, open < 0 ? xml.length : open)
    if (open < 0) break
    const close = xml.indexOf('>', open)
    if (close < 0) break
    if (breaks.test(xml.slice(open, Math.min(close + 1, open + 24)))) out += '\n'
    at = close + 1
  }
  const text = out.replace(
    /&(?:(amp|lt|gt|quot|apos)|#(\d{1,7})|#x([0-9a-f]{1,6}));/gi,
    (whole, name, decimal, hex) => {
      if (typeof name === 'string') return entities[name.toLowerCase()] ?? whole
      const code = typeof decimal === 'string' ? Number(decimal) : Number.parseInt(String(hex), 16)
      return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : ' '
    },
  )
  return text
    .replace(/[ \t]+/g, ' ')
    .replace(/ ?\n[ \n]*/g, '\n')
    .trim()
}
