// The bytes of one stream: frames of [length u32][type u8][id u32][body], big-endian, length counting what follows it.
// Pure: the reader takes chunks cut anywhere and gives the same frames. Body bytes are copied once, so a frame
// never keeps a larger network buffer alive.
import { SkeinError } from '@skein/runtime'

export const frameType = {
  /** body: u32 milliseconds the sender will wait, then the payload. */
  request: 1,
  /** body: the payload. */
  answer: 2,
  /** body: CBOR of a failure. */
  failure: 3,
  ping: 4,
  pong: 5,
  /** body: the header of a stream of bytes. Whoever gets it accepts (`opened`) or refuses (`reset`). */
  open: 6,
  opened: 7,
  /** body: bytes of the stream. */
  data: 8,
  /** body: u32, so many bytes more may be sent. */
  credit: 9,
  /** This side sends no more on the stream. */
  end: 10,
  /** body: CBOR of a failure. Neither side sends any more. */
  reset: 11,
} as const

export const frameHeaderBytes = 9
const afterLengthBytes = 5
export const requestPrefixBytes = 4
/** Above payloads: room for the request prefix and for failures. */
export const frameOverheadBytes = 1024

export interface Frame {
  type: number
  id: number
  body: Uint8Array
}

export function encodeFrame(type: number, id: number, body?: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(frameHeaderBytes + (body?.byteLength ?? 0))
  frame.writeUInt32BE(frame.byteLength - 4, 0)
  frame[4] = type
  frame.writeUInt32BE(id, 5)
  if (body !== undefined) frame.set(body, frameHeaderBytes)
  return frame
}

export function encodeNumberFrame(type: number, id: number, number: number): Buffer {
  const frame = Buffer.allocUnsafe(frameHeaderBytes + 4)
  frame.writeUInt32BE(frame.byteLength - 4, 0)
  frame[4] = type
  frame.writeUInt32BE(id, 5)
  frame.writeUInt32BE(number, frameHeaderBytes)
  return frame
}

export function encodeRequest(id: number, timeoutMs: number, payload: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(frameHeaderBytes + requestPrefixBytes + payload.byteLength)
  frame.writeUInt32BE(frame.byteLength - 4, 0)
  frame[4] = frameType.request
  frame.writeUInt32BE(id, 5)
  frame.writeUInt32BE(timeoutMs, frameHeaderBytes)
  frame.set(payload, frameHeaderBytes + requestPrefixBytes)
  return frame
}

export class FrameReader {
  readonly #bodyBytesMax: number
  readonly #onFrame: (frame: Frame) => void
  readonly #header = Buffer.alloc(frameHeaderBytes)
  #headerFilled = 0
  #body: Buffer | undefined
  #bodyFilled = 0

  constructor(bodyBytesMax: number, onFrame: (frame: Frame) => void) {
    this.#bodyBytesMax = bodyBytesMax
    this.#onFrame = onFrame
  }

  /** A frame has begun and is not complete. */
  get partial(): boolean {
    return this.#headerFilled > 0
  }

  /** @throws SkeinError `bad-frame`; the stream is of no use afterwards. */
  push(chunk: Uint8Array): void {
    let at = 0
    while (at < chunk.byteLength) {
      if (this.#body === undefined) {
        const take = Math.min(frameHeaderBytes - this.#headerFilled, chunk.byteLength - at)
        this.#header.set(chunk.subarray(at, at + take), this.#headerFilled)
        this.#headerFilled += take
        at += take
        if (this.#headerFilled < frameHeaderBytes) return
        this.#body = Buffer.allocUnsafe(this.#bodyLength())
        this.#bodyFilled = 0
      }
      const take = Math.min(this.#body.byteLength - this.#bodyFilled, chunk.byteLength - at)
      this.#body.set(chunk.subarray(at, at + take), this.#bodyFilled)
      this.#bodyFilled += take
      at += take
      if (this.#bodyFilled < this.#body.byteLength) return
      const frame = { type: this.#header[4]!, id: this.#header.readUInt32BE(5), body: this.#body }
      this.#headerFilled = 0
      this.#body = undefined
      this.#onFrame(frame)
    }
  }

  #bodyLength(): number {
    const length = this.#header.readUInt32BE(0)
    if (length < afterLengthBytes) throw new SkeinError('bad-frame', 'refused', 'a frame is too short')
    const bodyLength = length - afterLengthBytes
    if (bodyLength > this.#bodyBytesMax) throw new SkeinError('bad-frame', 'refused', 'a frame is too long')
    return bodyLength
  }
}
