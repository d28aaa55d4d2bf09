// Reports come packed: gzip, or a zip archive with one file (RFC 9990, RFC 8460). Promises: never more bytes than the limit,
// whatever an archive says of itself; never throws anything but `report-damaged`.
import { gunzipSync, inflateRawSync } from 'node:zlib'
import { SkeinError } from '@skein/runtime'

export function damagedReport(text: string, cause?: unknown): SkeinError {
  return new SkeinError('report-damaged', 'permanent', text, cause)
}

/** The bytes themselves where they are not packed. @throws SkeinError `report-damaged` */
export function unpacked(bytes: Uint8Array, bytesMax: number): Uint8Array {
  try {
    if (bytes[0] === 0x1f && bytes[1] === 0x8b) return gunzipSync(bytes, { maxOutputLength: bytesMax })
    if (bytes[0] === 0x50 && bytes[1] === 0x4b)
      return firstFileOf(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), bytesMax)
  } catch (cause) {
    if (cause instanceof SkeinError) throw cause
    throw damagedReport('the report can not be unpacked', cause)
  }
  if (bytes.length > bytesMax) throw damagedReport('the report is too large')
  return bytes
}

const endRecord = 0x06054b50
const entryRecord = 0x02014b50
const endBytes = 22
const commentBytesMax = 65_535

/** Found by the archive's directory: the sizes before the file itself may be left out. */
function firstFileOf(archive: Buffer, bytesMax: number): Uint8Array {
  let end = archive.length - endBytes
  const lowest = Math.max(0, end - commentBytesMax)
  while (end >= lowest && archive.readUInt32LE(end) !== endRecord) end -= 1
  if (end < lowest) throw damagedReport('the archive has no end')
  const entry = archive.readUInt32LE(end + 16)
  if (archive.readUInt16LE(end + 10) < 1 || archive.readUInt32LE(entry) !== entryRecord) {
    throw damagedReport('the archive holds no file')
  }
  const method = archive.readUInt16LE(entry + 10)
  const packedBytes = archive.readUInt32LE(entry + 20)
  const file = archive.readUInt32LE(entry + 42)
  const begin = file + 30 + archive.readUInt16LE(file + 26) + archive.readUInt16LE(file + 28)
  const packed = archive.subarray(begin, begin + packedBytes)
  if (packed.length !== packedBytes) throw damagedReport('the archive is cut short')
  if (method === 8) return inflateRawSync(packed, { maxOutputLength: bytesMax })
  if (method === 0 && packedBytes <= bytesMax) return packed
  throw damagedReport('the archive is packed in a way that is not known, or too large')
}
