// What a peer may and may not do with streams of bytes, frame by frame.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Stream } from '@libp2p/interface'
import { SkeinError, silentLogger, systemClock } from '@skein/runtime'
import type { PeerStream } from '@skein/runtime'
import fc from 'fast-check'
import { encodeFrame, encodeNumberFrame, frameHeaderBytes, frameType } from './frame.ts'
import type { Frame } from './frame.ts'
import { wireLimits } from './settings.ts'
import { StreamTable } from './stream-table.ts'
import { StreamWriter } from './stream-writer.ts'

function setup(accepts = true) {
  const sent: Frame[] = []
  const taken: PeerStream[] = []
  const idle = { addEventListener() {}, removeEventListener() {}, writableNeedsDrain: false, send: () => true }
  const writer = new StreamWriter(idle as unknown as Stream, () => {})
  const table = new StreamTable({ clock: systemClock, logger: silentLogger }, writer, {
    send: (frame) => void sent.push(frameOf(frame)),
    ...(accepts ? { handler: async () => (stream: PeerStream) => void taken.push(stream) } : {}),
  })
  return { table, sent, taken }
}

function frameOf(bytes: Uint8Array): Frame {
  const buffer = Buffer.from(bytes)
  return { type: buffer[4] ?? 0, id: buffer.readUInt32BE(5), body: buffer.subarray(frameHeaderBytes) }
}

const frame = (type: number, id: number, body?: Uint8Array) => frameOf(encodeFrame(type, id, body))
const number = (id: number, value: number) => frameOf(encodeNumberFrame(frameType.credit, id, value))
const turn = () => new Promise((resolve) => setImmediate(resolve))

describe('a table of streams', () => {
  test('takes what is within the credit, and nothing beyond it', async () => {
    const { table, taken, sent } = setup()
    table.onFrame(frame(frameType.open, 7, Buffer.from('x')))
    await turn()
    assert.deepEqual(
      sent.map(({ type }) => type),
      [frameType.opened],
    )
    // Nobody reads.
    table.onFrame(frame(frameType.data, 7, Buffer.alloc(wireLimits.streamWindowBytes)))
    assert.equal(taken[0]?.readableLength, wireLimits.streamWindowBytes)
    assert.throws(() => table.onFrame(frame(frameType.data, 7, Buffer.alloc(1))), { code: 'credit-exceeded' })
  })

  test('gives credit as its reader reads, and sends only for credit', async () => {
    const { table, taken, sent } = setup()
    table.onFrame(frame(frameType.open, 7))
    await turn()
    const stream = taken[0] as PeerStream
    table.onFrame(frame(frameType.data, 7, Buffer.alloc(wireLimits.streamWindowBytes)))
    await turn()
    assert.ok(!sent.some(({ type }) => type === frameType.credit))
    stream.read()
    assert.ok(sent.some(({ type }) => type === frameType.credit))
    stream.write(Buffer.alloc(wireLimits.streamWindowBytes + 5))
    const bytes = () => sent.filter(({ type }) => type === frameType.data).reduce((sum, it) => sum + it.body.length, 0)
    assert.equal(bytes(), wireLimits.streamWindowBytes)
    table.onFrame(number(7, 3))
    assert.equal(bytes(), wireLimits.streamWindowBytes + 3)
    table.onFrame(number(7, 2))
    assert.equal(bytes(), wireLimits.streamWindowBytes + 5)
  })

  test('ends the connection of a peer that breaks the protocol', async () => {
    for (const [what, frames] of [
      ['opened twice', [frame(frameType.open, 1), frame(frameType.open, 1)]],
      ['a long header', [frame(frameType.open, 1, Buffer.alloc(wireLimits.streamHeaderBytesMax + 1))]],
      ['too much credit', [frame(frameType.open, 1), number(1, wireLimits.streamWindowBytesMax + 1)]],
      ['half a number', [frame(frameType.open, 1), frame(frameType.credit, 1, Buffer.alloc(3))]],
      [
        'data after the end',
        [frame(frameType.open, 1), frame(frameType.end, 1), frame(frameType.data, 1, Buffer.alloc(1))],
      ],
      ['a reset without meaning', [frame(frameType.open, 1), frame(frameType.reset, 1, Buffer.from('x'))]],
      ['data before it is accepted', [frame(frameType.open, 1), frame(frameType.data, 1, Buffer.alloc(1))]],
      ['accepting its own', [frame(frameType.open, 1), frame(frameType.opened, 1)]],
    ] as const) {
      const { table } = setup()
      for (const one of frames.slice(0, -1)) table.onFrame(one)
      if (what !== 'data before it is accepted') await turn()
      assert.throws(() => table.onFrame(frames.at(-1)!), SkeinError, what)
    }
    const { table } = setup(false)
    assert.throws(() => table.onFrame(frame(frameType.open, 1)), { code: 'bad-frame' })
  })

  test('passes over frames of streams that are over', () => {
    const { table, sent } = setup()
    for (const type of [frameType.data, frameType.end, frameType.opened, frameType.reset, frameType.credit]) {
      assert.equal(table.onFrame(frame(type, 99, Buffer.alloc(4))), true)
    }
    assert.equal(table.onFrame(frame(200, 1)), false)
    assert.deepEqual(sent, [])
  })

  test('no frames make it fail but as a broken protocol, and none of its streams outlives it', async () => {
    const some = fc.record({
      type: fc.integer({ min: 5, max: 12 }),
      id: fc.integer({ min: 1, max: 3 }),
      body: fc.uint8Array({ maxLength: 8 }),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(some, { maxLength: 40 }), async (frames) => {
        const { table, taken } = setup()
        try {
          for (const { type, id, body } of frames) {
            table.onFrame({ type, id, body: Buffer.from(body) })
            await turn()
          }
        } catch (error) {
          assert.ok(error instanceof SkeinError, String(error))
        }
        table.close(new SkeinError('peer-unreachable', 'temporary', 'lost'))
        await turn()
        assert.equal(table.size, 0)
        for (const stream of taken) assert.ok(stream.destroyed)
      }),
      { numRuns: 200 },
    )
  })
})
