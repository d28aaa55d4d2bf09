// What every MessageLog must do. `setup` is called for each test and gives an empty log.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isErrorCode } from '@skein/runtime'
import type { BlobRef, MessageLog } from '../ports.ts'

export interface MessageLogSetup {
  log: MessageLog
  /** The log as the next start finds it, after a clean stop. */
  reopen(): Promise<MessageLog>
  close(): Promise<void>
}

/** Bytes in which every position differs from its neighbours, all values among them. */
function sample(length: number, seed = 1): Buffer {
  const bytes = Buffer.allocUnsafe(length)
  for (let at = 0, value = seed; at < length; at++) {
    value = (Math.imul(value, 1103515245) + 12345) & 0x7fffffff
    bytes[at] = value >>> 16
  }
  return bytes
}

async function collect(chunks: AsyncIterable<Uint8Array>, chunkMax = Infinity): Promise<Buffer> {
  const all: Uint8Array[] = []
  for await (const chunk of chunks) {
    assert.ok(chunk.length <= chunkMax, 'no chunk above the limit')
    all.push(chunk)
  }
  return Buffer.concat(all)
}

export function messageLogCompliance(name: string, setup: () => Promise<MessageLogSetup>): void {
  const test = (title: string, body: (parts: MessageLogSetup) => Promise<void>): void => {
    void it(title, async () => {
      const parts = await setup()
      try {
        await body(parts)
      } finally {
        await parts.close()
      }
    })
  }

  describe(`message log: ${name}`, () => {
    test('gives back exactly what was appended, in parts or whole', async ({ log }) => {
      for (const length of [0, 1, 2, 100, 65_535, 65_536, 65_537, 131_072, 300_000]) {
        const bytes = sample(length, length + 1)
        const cut = Math.floor(length / 3)
        const ref = await log.append([bytes.subarray(0, cut), new Uint8Array(0), bytes.subarray(cut)])
        assert.equal(ref.length, length)
        assert.deepEqual(Buffer.from(await log.read(ref)), bytes)
      }
    })

    test('reads any range, and an empty one', async ({ log }) => {
      const bytes = sample(200_000)
      const ref = await log.append([bytes])
      for (const [start, end] of [
        [0, 0],
        [0, 1],
        [5, 5],
        [65_530, 65_540],
        [131_071, 131_073],
        [70_000, 200_000],
        [200_000, 200_000],
      ] as const) {
        assert.deepEqual(Buffer.from(await log.read(ref, start, end)), bytes.subarray(start, end), `${start}-${end}`)
        assert.deepEqual(await collect(log.stream(ref, start, end)), bytes.subarray(start, end), `${start}-${end}`)
      }
    })

    test('streams in chunks of at most 256 KiB', async ({ log }) => {
      const bytes = sample(1_000_003)
      const ref = await log.append([bytes])
      assert.deepEqual(await collect(log.stream(ref), 256 * 1024), bytes)
      assert.deepEqual(await collect(log.stream(ref, 100_001, 900_000), 256 * 1024), bytes.subarray(100_001, 900_000))
    })

    test('keeps many concurrent appends apart', async ({ log }) => {
      const all = await Promise.all(
        Array.from({ length: 200 }, async (_, index) => {
          const bytes = sample(index * 97, index + 1)
          return { bytes, ref: await log.append([bytes]) }
        }),
      )
      assert.equal(new Set(all.map(({ ref }) => `${ref.segment}/${ref.offset}`)).size, all.length)
      for (const { bytes, ref } of all) assert.deepEqual(Buffer.from(await log.read(ref)), bytes)
    })

    test('a writer puts the prefix before what was written, small and large', async ({ log }) => {
      for (const total of [0, 10, 1_048_576, 1_048_577, 3_500_000]) {
        const bytes = sample(total, total + 3)
        const writer = log.writer()
        for (let at = 0; at < total; at += 70_001) {
          const chunk = Buffer.from(bytes.subarray(at, at + 70_001))
          await writer.write(chunk)
          chunk.fill(0)
        }
        assert.equal(writer.length, total)
        const ref = await writer.finish([Buffer.from('Received: '), Buffer.from('here\r\n')])
        const expected = Buffer.concat([Buffer.from('Received: here\r\n'), bytes])
        assert.equal(ref.length, expected.length)
        assert.ok(Buffer.from(await log.read(ref)).equals(expected))
        assert.ok((await collect(log.stream(ref))).equals(expected))
        const end = Math.min(expected.length, 2_000_000)
        assert.ok(Buffer.from(await log.read(ref, 5, end)).equals(expected.subarray(5, end)))
      }
    })

    test('a writer gives back what was written so far, as often as it is asked', async ({ log }) => {
      for (const total of [0, 10, 300_000, 1_048_577, 3_500_000]) {
        const bytes = sample(total, total + 5)
        const writer = log.writer()
        for (let at = 0; at < total; at += 70_001) {
          const chunk = bytes.subarray(at, at + 70_001)
          await writer.write(chunk)
          if (at % 3 === 0) assert.ok((await collect(writer.written())).equals(bytes.subarray(0, at + chunk.length)))
        }
        for (let turn = 0; turn < 2; turn++) assert.ok((await collect(writer.written())).equals(bytes))
        const ref = await writer.finish([Buffer.from('X: y\r\n')])
        assert.ok(Buffer.from(await log.read(ref)).equals(Buffer.concat([Buffer.from('X: y\r\n'), bytes])))
      }
    })

    test('a writer takes a prefix larger than any header room, and none', async ({ log }) => {
      for (const prefix of [[], [sample(200_000, 9)]]) {
        const writer = log.writer()
        const bytes = sample(1_500_000)
        await writer.write(bytes)
        const ref = await writer.finish(prefix)
        assert.ok(Buffer.from(await log.read(ref)).equals(Buffer.concat([...prefix, bytes])))
      }
    })

    test('an aborted writer leaves the others alone', async ({ log }) => {
      const kept = await log.append([sample(1000)])
      const writer = log.writer()
      await writer.write(sample(2_000_000))
      await writer.abort()
      const after = await log.append([sample(500)])
      assert.deepEqual(Buffer.from(await log.read(kept)), sample(1000))
      assert.deepEqual(Buffer.from(await log.read(after)), sample(500))
    })

    test('everything is there after a restart, and refs stay apart', async ({ log, reopen }) => {
      const before: { ref: BlobRef; bytes: Buffer }[] = []
      for (const length of [0, 10, 100_000, 1_200_000]) {
        const bytes = sample(length, length + 7)
        const writer = log.writer()
        await writer.write(bytes)
        before.push({ bytes, ref: await writer.finish() })
      }
      const second = await reopen()
      const more = await second.append([sample(77)])
      for (const { ref, bytes } of before) {
        assert.ok(Buffer.from(await second.read(ref)).equals(bytes))
        assert.notDeepEqual(ref, more)
      }
      assert.deepEqual(Buffer.from(await second.read(more)), sample(77))
    })

    test('a ref to nothing is `message-damaged`', async ({ log }) => {
      const ref = await log.append([sample(100)])
      for (const wrong of [
        { ...ref, segment: 9999 },
        { ...ref, offset: ref.offset + 1 },
        { ...ref, length: 99 },
      ]) {
        await assert.rejects(log.read(wrong), (error) => isErrorCode(error, 'message-damaged'))
      }
    })

    test('what was released can still be read until a compaction', async ({ log }) => {
      const ref = await log.append([sample(100)])
      log.release(ref)
      assert.deepEqual(Buffer.from(await log.read(ref)), sample(100))
    })
  })
}
