import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isErrorCode } from '@skein/runtime'
import * as fc from 'fast-check'
import { FrameReader, encodeFrame, encodeRequest, frameType } from './frame.ts'
import type { Frame } from './frame.ts'
import { FrameLengths } from './muxer-guard.ts'

const frames = fc.array(
  fc.record({
    type: fc.integer({ min: 0, max: 255 }),
    id: fc.integer({ min: 0, max: 0xffff_ffff }),
    body: fc.uint8Array({ maxLength: 300 }),
  }),
  { maxLength: 20 },
)

function read(bytes: Uint8Array, cuts: number[], bodyBytesMax = 1000): Frame[] {
  const found: Frame[] = []
  const reader = new FrameReader(bodyBytesMax, (frame) => found.push(frame))
  let at = 0
  for (const cut of cuts) {
    reader.push(bytes.subarray(at, at + cut))
    at += cut
    if (at >= bytes.byteLength) break
  }
  reader.push(bytes.subarray(at))
  return found
}

describe('frames', () => {
  test('come out as they went in, however the bytes are cut', () => {
    fc.assert(
      fc.property(frames, fc.array(fc.integer({ min: 1, max: 50 })), (sent, cuts) => {
        const bytes = Buffer.concat(sent.map(({ type, id, body }) => encodeFrame(type, id, body)))
        const found = read(bytes, cuts).map(({ type, id, body }) => ({ type, id, body: Buffer.from(body) }))
        assert.deepEqual(
          found,
          sent.map(({ type, id, body }) => ({ type, id, body: Buffer.from(body) })),
        )
      }),
    )
  })

  test('random bytes give frames or bad-frame, never anything else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.array(fc.integer({ min: 1, max: 9 })), (bytes, cuts) => {
        try {
          read(bytes, cuts)
        } catch (error) {
          assert.ok(isErrorCode(error, 'bad-frame'))
        }
      }),
    )
  })

  test('a body keeps no part of the network buffer that it came in', () => {
    const large = Buffer.alloc(100_000)
    const frame = encodeFrame(frameType.answer, 1, Buffer.alloc(5000, 7))
    large.set(frame)
    const [found] = read(large.subarray(0, frame.byteLength), [], 5000)
    assert.notEqual(found?.body.buffer, large.buffer)
  })

  test('a request carries its time-out before its payload', () => {
    const [frame] = read(encodeRequest(9, 30_000, Buffer.from('hello')), [])
    assert.equal(frame?.type, frameType.request)
    assert.equal(frame.id, 9)
    assert.equal(Buffer.from(frame.body).readUInt32BE(0), 30_000)
    assert.equal(Buffer.from(frame.body).toString('latin1', 4), 'hello')
  })

  test('a length above the limit is refused before its body is there', () => {
    const frame = encodeFrame(frameType.answer, 1, Buffer.alloc(1001))
    assert.throws(() => read(frame.subarray(0, 9), [], 1000), { code: 'bad-frame' })
    assert.equal(read(encodeFrame(frameType.answer, 1, Buffer.alloc(1000)), [], 1000).length, 1)
  })

  test('a length that leaves no room for type and id is refused', () => {
    assert.throws(() => read(Buffer.from([0, 0, 0, 4, 1, 0, 0, 0, 1]), []), { code: 'bad-frame' })
  })
})

describe('the guard of yamux frames', () => {
  const muxed = (type: number, length: number, body = 0) => {
    const header = Buffer.alloc(12)
    header[1] = type
    header.writeUInt32BE(length, 8)
    return Buffer.concat([header, Buffer.alloc(body, 0xff)])
  }
  const passes = (bytes: Uint8Array, cut: number) => {
    const lengths = new FrameLengths(1000)
    for (let at = 0; at < bytes.byteLength; at += cut) if (!lengths.pass(bytes.subarray(at, at + cut))) return false
    return true
  }

  test('lets honest frames by, however they are cut', () => {
    const bytes = Buffer.concat([muxed(0, 1000, 1000), muxed(1, 0xffff_ffff), muxed(2, 5), muxed(0, 0), muxed(0, 3, 3)])
    for (let cut = 1; cut < 40; cut += 1) assert.ok(passes(bytes, cut), `cut into ${cut}`)
  })

  test('stops at a data frame that announces too much, without waiting for it', () => {
    const bytes = Buffer.concat([muxed(0, 10, 10), muxed(1, 256), muxed(0, 1001)])
    for (let cut = 1; cut < 40; cut += 1) assert.ok(!passes(bytes, cut), `cut into ${cut}`)
  })
})
