// What every PeerStreams must do.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { SkeinError } from '../errors.ts'
import type { NodeId } from '../peer-link.ts'
import { peerStreamLimits } from '../peer-streams.ts'
import type { PeerStream, PeerStreams } from '../peer-streams.ts'

export interface PeerStreamsPair extends AsyncDisposable {
  a: PeerStreams & { readonly self: NodeId }
  b: PeerStreams & { readonly self: NodeId }
  /** The two lose each other. */
  cut(): void
}

/** b takes every stream whose header is not `refuse` and gives it to `taken`. */
function takeAll(pair: PeerStreamsPair): Promise<PeerStream>[] {
  const taken: PromiseWithResolvers<PeerStream>[] = []
  const promises: Promise<PeerStream>[] = []
  for (let i = 0; i < 8; i++) {
    taken[i] = Promise.withResolvers<PeerStream>()
    promises.push(taken[i]!.promise)
  }
  let next = 0
  pair.b.handleStream('proxy', async (from, header) => {
    assert.equal(from, pair.a.self)
    const text = Buffer.from(header).toString()
    if (text === 'refuse') throw new SkeinError('in-use', 'refused', 'not now')
    if (text === 'fail') throw new Error('a mistake')
    return (stream) => taken[next++]!.resolve(stream)
  })
  return promises
}

async function readAll(stream: PeerStream): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const part of stream) parts.push(part as Buffer)
  return Buffer.concat(parts)
}

function closed(stream: PeerStream): Promise<unknown> {
  return stream.closed ? Promise.resolve() : new Promise((resolve) => stream.once('close', resolve))
}

const header = Buffer.from('take')

function pattern(bytes: number): Buffer {
  const buffer = Buffer.alloc(bytes)
  for (let i = 0; i < bytes; i++) buffer[i] = (i * 31 + (i >> 8) * 17) & 0xff
  return buffer
}

export function peerStreamsCompliance(name: string, setup: () => Promise<PeerStreamsPair>): void {
  describe(`PeerStreams: ${name}`, () => {
    it('carries bytes both ways in order, and closes each half by itself', async () => {
      await using pair = await setup()
      const [taking] = takeAll(pair)
      const here = await pair.a.openStream(pair.b.self, 'proxy', header)
      const there = await taking!
      const up = pattern(3_000_000)
      const down = pattern(1_500_001)
      const gotUp = readAll(there)
      for (let at = 0; at < up.length; at += 70_001) here.write(up.subarray(at, at + 70_001))
      here.end()
      assert.ok((await gotUp).equals(up))
      // The other half is still open.
      const gotDown = readAll(here)
      for (let at = 0; at < down.length; at += 333) there.write(down.subarray(at, at + 333))
      there.end()
      assert.ok((await gotDown).equals(down))
      await Promise.all([closed(here), closed(there)])
      assert.equal(here.errored, null)
      assert.equal(there.errored, null)
    })

    it('holds a writer back whose reader does not read, and goes on where it does', async () => {
      await using pair = await setup()
      const [taking] = takeAll(pair)
      const here = await pair.a.openStream(pair.b.self, 'proxy', header)
      const there = await taking!
      const chunk = pattern(64 * 1024)
      let written = 0
      const write = () => {
        while (written < 1024) {
          written += 1
          if (!here.write(chunk)) return
        }
        here.end()
      }
      here.on('drain', write)
      write()
      await delay(300)
      const stuckAt = written
      assert.ok(stuckAt * chunk.length < 8 * 1024 * 1024, `${stuckAt} chunks went out unread`)
      let got = 0
      there.on('data', (data: Buffer) => {
        got += data.length
      })
      await once(there, 'end')
      assert.equal(got, 1024 * chunk.length)
    })

    it('refuses with the words of the one who refuses, and says nothing of a mistake', async () => {
      await using pair = await setup()
      void takeAll(pair)
      await assert.rejects(pair.a.openStream(pair.b.self, 'proxy', Buffer.from('refuse')), {
        code: 'in-use',
        kind: 'refused',
        message: 'not now',
      })
      await assert.rejects(pair.a.openStream(pair.b.self, 'proxy', Buffer.from('fail')), { code: 'internal-error' })
      const long = Buffer.alloc(peerStreamLimits.headerBytesMax + 1)
      await assert.rejects(pair.a.openStream(pair.b.self, 'proxy', long), { code: 'payload-too-big' })
    })

    it('is not opened where nobody takes it, or to whom one has no connection', async () => {
      await using pair = await setup()
      await assert.rejects(pair.a.openStream(pair.b.self, 'proxy', header), { code: 'peer-not-serving' })
      await assert.rejects(pair.a.openStream('nobody', 'proxy', header), { code: 'peer-unreachable' })
    })

    it('destroys the other end with the reason given', async () => {
      await using pair = await setup()
      const [taking, takingNext] = takeAll(pair)
      const here = await pair.a.openStream(pair.b.self, 'proxy', header)
      const there = await taking!
      here.destroy(new SkeinError('enough', 'temporary', 'it is enough'))
      await closed(there)
      assert.equal((there.errored as SkeinError).code, 'enough')
      const again = await pair.a.openStream(pair.b.self, 'proxy', header)
      const thereAgain = await takingNext!
      thereAgain.destroy()
      await closed(again)
      assert.equal((again.errored as SkeinError).code, 'stream-closed')
    })

    it('destroys both ends at once when the two lose each other', async () => {
      await using pair = await setup()
      const [taking] = takeAll(pair)
      const here = await pair.a.openStream(pair.b.self, 'proxy', header)
      const there = await taking!
      pair.cut()
      await Promise.all([closed(here), closed(there)])
      assert.equal((here.errored as SkeinError).code, 'peer-unreachable')
      assert.equal((there.errored as SkeinError).code, 'peer-unreachable')
    })

    it('gives a taker a destroyed stream when the asker has gone meanwhile', async () => {
      await using pair = await setup()
      const decision = Promise.withResolvers<void>()
      const asked = Promise.withResolvers<void>()
      const taken = Promise.withResolvers<PeerStream>()
      pair.b.handleStream('proxy', async () => {
        asked.resolve()
        await decision.promise
        return taken.resolve
      })
      const opening = pair.a.openStream(pair.b.self, 'proxy', header, { timeoutMs: 50 })
      await asked.promise
      await assert.rejects(opening, { code: 'peer-unreachable' })
      await delay(50)
      decision.resolve()
      assert.equal((await taken.promise).destroyed, true)
    })
  })
}
