import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Stream } from '@libp2p/interface'
import { meshLimits } from './settings.ts'
import { StreamWriter } from './stream-writer.ts'

/** A stream that takes one batch and then wants to be drained, like one whose peer reads slowly. */
class SlowStream extends EventTarget {
  writableNeedsDrain = false
  taken = 0
  sends = 0
  bytesWhileFull = 0
  breaks = false

  send(data: Uint8Array): boolean {
    if (this.breaks) throw new Error('the stream is closed')
    if (this.writableNeedsDrain) this.bytesWhileFull += data.byteLength
    this.sends += 1
    this.taken += data.byteLength
    this.writableNeedsDrain = true
    return false
  }

  drain(): void {
    // The order of libp2p: the stream first clears its flag, then the listeners hear of it.
    this.writableNeedsDrain = false
    this.dispatchEvent(new Event('drain'))
  }
}

function setUp() {
  const stream = new SlowStream()
  const errors: Error[] = []
  const writer = new StreamWriter(stream as unknown as Stream, (error) => errors.push(error))
  return { stream, writer, errors }
}

const turn = () => new Promise((resolve) => setImmediate(resolve))

describe('a stream writer', () => {
  test('hands over nothing while the stream is full, at the hundredth drain as at the first', async () => {
    const { stream, writer } = setUp()
    const frame = new Uint8Array(64 * 1024)
    for (let i = 0; i < 400; i += 1) writer.write(frame)
    let drains = 0
    while (writer.queuedBytes > 0) {
      await turn()
      assert.ok(stream.taken <= (drains + 1) * meshLimits.writeBatchBytes)
      stream.drain()
      drains += 1
      assert.ok(drains < 1_000)
    }
    assert.ok(drains >= 100)
    assert.equal(stream.bytesWhileFull, 0)
    assert.equal(stream.taken, 400 * frame.byteLength)
  })

  test('wakes each that waits for room when there is that room, again and again', async () => {
    const { stream, writer } = setUp()
    for (let round = 0; round < 5; round += 1) {
      stream.writableNeedsDrain = true
      writer.write(new Uint8Array(2_000))
      const woken: string[] = []
      void writer.drained(10_000).then(() => woken.push('has room'))
      void writer.drained(2_000).then(() => woken.push('below 2000'))
      void writer.drained(1).then(() => woken.push('empty'))
      await turn()
      assert.deepEqual(woken, ['has room'])
      stream.drain()
      await turn()
      assert.deepEqual(woken, ['has room', 'below 2000', 'empty'])
    }
  })

  test('puts small frames of one turn into one write', async () => {
    const { stream, writer } = setUp()
    for (let i = 0; i < 100; i += 1) writer.write(new Uint8Array(50))
    await turn()
    assert.equal(stream.sends, 1)
    assert.equal(stream.taken, 5_000)
  })

  test('says once that the stream broke, and lets nobody wait for it', async () => {
    const { stream, writer, errors } = setUp()
    stream.breaks = true
    writer.write(new Uint8Array(10))
    const drained = writer.drained(1)
    await drained
    writer.write(new Uint8Array(10))
    stream.drain()
    await turn()
    assert.equal(errors.length, 1)
    assert.equal(writer.queuedBytes, 0)
    await writer.drained(1)
  })
})
