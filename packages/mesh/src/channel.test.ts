import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Stream } from '@libp2p/interface'
import { streamPair } from '@libp2p/utils'
import { SkeinError, silentLogger, systemClock } from '@skein/runtime'
import { Channel } from './channel.ts'
import type { RequestHandler } from './incoming-requests.ts'
import { encodeFrame, encodeRequest, frameType } from './frame.ts'
import { meshLimits, wireLimits } from './settings.ts'

interface Pair {
  asker: Channel
  answerer: Channel
  violations: SkeinError[]
  close(): void
}

async function pair(handler: RequestHandler, logger = silentLogger): Promise<Pair> {
  const [left, right] = await streamPair()
  const violations: SkeinError[] = []
  const channel = (stream: Stream) =>
    new Channel({ clock: systemClock, logger }, stream, { handler, onViolation: (error) => violations.push(error) })
  const asker = channel(left)
  const answerer = channel(right)
  return { asker, answerer, violations, close: () => asker.abort(new SkeinError('done', 'temporary', 'done')) }
}

/** One end is a channel, the other the bare stream of somebody who may not keep the protocol. */
async function against(handler: RequestHandler) {
  const [left, right] = await streamPair()
  const violations: SkeinError[] = []
  const channel = new Channel({ clock: systemClock, logger: silentLogger }, left, {
    handler,
    onViolation: (error) => violations.push(error),
  })
  const parts: Uint8Array[] = []
  let bytes = 0
  right.addEventListener('message', ({ data }) => {
    bytes += data.byteLength
    if (bytes < 100_000) parts.push(data.subarray())
  })
  return {
    channel,
    near: left,
    stream: right,
    violations,
    bytesReceived: () => bytes,
    received: () => Buffer.concat(parts),
  }
}

const echo: RequestHandler = async (payload) => payload

async function until(condition: () => boolean): Promise<void> {
  const endMs = Date.now() + 5_000
  while (!condition()) {
    if (Date.now() > endMs) throw new Error('the condition never held')
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

describe('a channel', () => {
  test('answers many requests out of order, in both directions', async () => {
    const gates = new Map<string, PromiseWithResolvers<void>>()
    const { asker, answerer, close } = await pair(async (payload) => {
      const gate = Promise.withResolvers<void>()
      gates.set(Buffer.from(payload).toString(), gate)
      await gate.promise
      return Buffer.concat([Buffer.from('re: '), payload])
    })
    const order: string[] = []
    const ask = (from: Channel, text: string) =>
      from.request(Buffer.from(text), 5_000).then((answer) => order.push(Buffer.from(answer).toString()))
    const all = [ask(asker, 'one'), ask(asker, 'two'), ask(answerer, 'three')]
    await until(() => gates.size === 3)
    for (const text of ['three', 'two', 'one']) {
      gates.get(text)?.resolve()
      await until(() => order.includes(`re: ${text}`))
    }
    await Promise.all(all)
    assert.deepEqual(order, ['re: three', 're: two', 're: one'])
    close()
  })

  test('carries a SkeinError with code, kind and text, and hides any other', async () => {
    const logged: unknown[] = []
    const logger = { ...silentLogger, error: (fields: unknown) => void logged.push(fields) }
    const { asker, close } = await pair(async (payload) => {
      if (payload[0] === 1) throw new SkeinError('mailbox-full', 'permanent', 'no room', new Error('private'))
      throw new TypeError('secret detail')
    }, logger)
    await assert.rejects(asker.request(Uint8Array.of(1), 5_000), {
      code: 'mailbox-full',
      kind: 'permanent',
      message: 'no room',
    })
    assert.equal(logged.length, 0)
    await assert.rejects(asker.request(Uint8Array.of(2), 5_000), (error: SkeinError) => {
      assert.equal(error.code, 'internal-error')
      assert.equal(error.kind, 'temporary')
      assert.doesNotMatch(error.message, /secret/)
      return true
    })
    assert.equal(logged.length, 1)
    close()
  })

  test('answers for a handler that throws at once, and for one whose answer is too long', async () => {
    const { asker, close } = await pair((payload) => {
      if (payload.byteLength === 0) throw new SkeinError('no', 'refused', 'no')
      return Promise.resolve(new Uint8Array(wireLimits.payloadBytesMax + 1))
    })
    await assert.rejects(asker.request(new Uint8Array(0), 5_000), { code: 'no' })
    await assert.rejects(asker.request(Uint8Array.of(1), 5_000), { code: 'internal-error' })
    close()
  })

  test('fails a request that is not answered in time, and goes on', async () => {
    let answered = 0
    const { asker, violations, close } = await pair(async (payload) => {
      if (payload[0] === 1) await new Promise((resolve) => setTimeout(resolve, 100))
      answered += 1
      return payload
    })
    await assert.rejects(asker.request(Uint8Array.of(1), 20), { code: 'peer-unreachable', kind: 'temporary' })
    await until(() => answered === 1)
    assert.deepEqual(Buffer.from(await asker.request(Uint8Array.of(2), 5_000)), Buffer.of(2))
    assert.deepEqual(violations, [])
    close()
  })

  test('gets the credit of a request back whose handler never ends', async () => {
    const { asker, answerer, close } = await pair((payload) =>
      payload[0] === 1 ? new Promise(() => {}) : echo(payload),
    )
    const stuck = Array.from({ length: wireLimits.requestsInFlightMax }, () => asker.request(Uint8Array.of(1), 50))
    for (const request of stuck) await assert.rejects(request, { code: 'peer-unreachable' })
    await asker.request(Uint8Array.of(2), 5_000)
    assert.ok(!answerer.closed)
    close()
  })

  test('fails everything that waits when the stream goes, and what comes later', async () => {
    const { asker, answerer } = await pair(() => new Promise(() => {}))
    const waiting = Array.from({ length: 300 }, () => asker.request(new Uint8Array(10), 60_000))
    await new Promise((resolve) => setTimeout(resolve, 5))
    answerer.abort(new SkeinError('gone', 'temporary', 'gone'))
    for (const request of waiting) await assert.rejects(request, { code: 'peer-unreachable' })
    await assert.rejects(asker.request(new Uint8Array(1), 1_000), { code: 'peer-unreachable' })
  })

  test('never asks more than its credit, and refuses when too many wait', async () => {
    const { channel, stream, bytesReceived } = await against(echo)
    const payload = new Uint8Array(10)
    const frameBytes = encodeRequest(1, 1, payload).byteLength
    const asked = Array.from({ length: wireLimits.requestsInFlightMax + meshLimits.requestsWaitingMax }, () =>
      channel.request(payload, 60_000),
    )
    for (const request of asked) request.catch(() => {})
    await assert.rejects(channel.request(payload, 60_000), { code: 'peer-unreachable' })
    await until(() => bytesReceived() === wireLimits.requestsInFlightMax * frameBytes)
    stream.send(encodeFrame(frameType.answer, 1, Buffer.from('first')))
    assert.equal(Buffer.from(await asked[0]!).toString(), 'first')
    await until(() => bytesReceived() === (wireLimits.requestsInFlightMax + 1) * frameBytes)
    channel.abort(new SkeinError('done', 'temporary', 'done'))
  })

  test('bounds the bytes that it asks at once', async () => {
    const { channel, bytesReceived } = await against(echo)
    const megabyte = new Uint8Array(1024 * 1024)
    for (let i = 0; i < 40; i += 1) channel.request(megabyte, 60_000).catch(() => {})
    await until(() => bytesReceived() >= wireLimits.requestBytesInFlightMax)
    await new Promise((resolve) => setTimeout(resolve, 50))
    assert.ok(bytesReceived() < wireLimits.requestBytesInFlightMax + megabyte.byteLength)
    channel.abort(new SkeinError('done', 'temporary', 'done'))
  })

  test('refuses a request that is longer than the mesh carries', async () => {
    const { asker, close } = await pair(echo)
    const tooLong = new Uint8Array(wireLimits.payloadBytesMax + 1)
    await assert.rejects(asker.request(tooLong, 1_000), { code: 'payload-too-big', kind: 'refused' })
    assert.equal((await asker.request(tooLong.subarray(1), 5_000)).byteLength, wireLimits.payloadBytesMax)
    close()
  })

  test('ends at whatever breaks the protocol', async () => {
    const request = (id: number, bytes = 1) => encodeRequest(id, 60_000, new Uint8Array(bytes))
    const breaches: [string, string, () => Uint8Array[]][] = [
      ['an oversize length', 'bad-frame', () => [Buffer.from([0x7f, 0xff, 0xff, 0xff, 1, 0, 0, 0, 1])]],
      ['an answer to nothing', 'bad-frame', () => [encodeFrame(frameType.answer, 77)]],
      ['a failure without meaning', 'bad-frame', () => [encodeFrame(frameType.failure, 77, Buffer.from('x'))]],
      ['a request without its time-out', 'bad-frame', () => [encodeFrame(frameType.request, 1, Buffer.alloc(3))]],
      ['an id used twice', 'bad-frame', () => [request(1), request(1)]],
      ['too many requests', 'credit-exceeded', () => Array.from({ length: 257 }, (_, id) => request(id))],
      ['too many bytes', 'credit-exceeded', () => Array.from({ length: 17 }, (_, id) => request(id, 1024 * 1024))],
    ]
    for (const [what, code, frames] of breaches) {
      const { channel, stream, violations } = await against(() => new Promise(() => {}))
      try {
        for (const frame of frames()) stream.send(frame)
      } catch {
        // Cut off in the middle, as it should be.
      }
      await until(() => violations.length > 0)
      assert.equal(violations[0]?.code, code, what)
      assert.ok(channel.closed, what)
      await assert.rejects(channel.request(new Uint8Array(1), 100), SkeinError, what)
    }
  })

  test('passes over frames of a later version, and answers pings', async () => {
    const { channel, stream, violations, received, bytesReceived } = await against(echo)
    stream.send(encodeFrame(200, 5, Buffer.from('from the future')))
    stream.send(encodeFrame(frameType.ping, 6))
    await until(() => bytesReceived() > 0)
    assert.deepEqual(received(), encodeFrame(frameType.pong, 6))
    assert.deepEqual(violations, [])
    assert.ok(!channel.closed)
    channel.abort(new SkeinError('done', 'temporary', 'done'))
  })

  test('begins nothing for a peer that takes no answers', async () => {
    let begun = 0
    const answer = new Uint8Array(256 * 1024)
    const { channel, stream, near, bytesReceived } = await against(async () => {
      begun += 1
      return answer
    })
    // What the muxer does when the peer grants no window.
    near.writableNeedsDrain = true
    for (let id = 0; id < 200; id += 1) stream.send(encodeRequest(id, 60_000, new Uint8Array(1)))
    await new Promise((resolve) => setTimeout(resolve, 100))
    const first = begun
    assert.ok(first > 0 && first <= 65, `${first} begun`)
    assert.equal(bytesReceived(), 0)
    near.dispatchEvent(new Event('drain'))
    await until(() => begun === 200)
    await until(() => bytesReceived() > 200 * answer.byteLength)
    channel.abort(new SkeinError('done', 'temporary', 'done'))
  })
})
