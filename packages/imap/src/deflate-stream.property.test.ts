import assert from 'node:assert/strict'
import { duplexPair } from 'node:stream'
import { test } from 'node:test'
import { constants, inflateRawSync } from 'node:zlib'
import { createDeflateRaw } from 'node:zlib'
import * as fc from 'fast-check'
import { systemClock } from '@skein/runtime'
import { DeflateStream } from './deflate-stream.ts'

const writes = fc.array(fc.uint8Array({ maxLength: 3000 }), { maxLength: 12 })

test('what is written comes out of any inflater once the writer pauses, whatever the writes', async () => {
  await fc.assert(
    fc.asyncProperty(writes, async (chunks) => {
      const [near, far] = duplexPair()
      const stream = new DeflateStream(near, systemClock)
      const sent: Buffer[] = []
      far.on('data', (chunk: Buffer) => sent.push(chunk))
      for (const chunk of chunks) stream.write(chunk)
      const wanted = Buffer.concat(chunks)
      for (let tries = 0; ; tries++) {
        const got = inflateRawSync(Buffer.concat(sent), { finishFlush: constants.Z_SYNC_FLUSH })
        if (got.equals(wanted)) break
        assert.ok(tries < 400, `${got.length} of ${wanted.length} bytes`)
        await new Promise((resolve) => setTimeout(resolve, 2))
      }
      stream.destroy()
    }),
    { numRuns: 40 },
  )
})

test('what a client deflates is read as it wrote it, in any pieces', async () => {
  await fc.assert(
    fc.asyncProperty(writes, fc.integer({ min: 1, max: 400 }), async (chunks, size) => {
      const deflater = createDeflateRaw({ flush: constants.Z_SYNC_FLUSH })
      const deflated: Buffer[] = []
      deflater.on('data', (chunk: Buffer) => deflated.push(chunk))
      for (const chunk of chunks) await new Promise((resolve) => deflater.write(chunk, resolve))
      const [near, far] = duplexPair()
      const stream = new DeflateStream(near, systemClock)
      const got: Buffer[] = []
      stream.on('data', (chunk: Buffer) => got.push(chunk))
      const bytes = Buffer.concat(deflated)
      for (let at = 0; at < bytes.length; at += size) far.write(bytes.subarray(at, at + size))
      far.end()
      await new Promise((resolve) => stream.once('end', resolve))
      assert.ok(Buffer.concat(got).equals(Buffer.concat(chunks)))
      stream.destroy()
    }),
    { numRuns: 40 },
  )
})

test('any bytes at all end the stream or are read, and nothing is thrown', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
      const [near, far] = duplexPair()
      const stream = new DeflateStream(near, systemClock)
      far.on('error', () => {}).resume()
      stream.on('error', () => {}).resume()
      const over = new Promise((resolve) => stream.once('end', resolve).once('close', resolve))
      far.end(bytes)
      await over
      stream.destroy()
    }),
    { numRuns: 60 },
  )
})
