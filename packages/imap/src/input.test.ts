import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { systemClock } from '@skein/runtime'
import { Input } from './input.ts'
import type { CommandDecoder } from './wire/command-decoder.ts'

test('what comes while nobody waits ends the next wait, once', async () => {
  const stream = new PassThrough()
  const decoder = { push: () => {}, bufferedBytes: 0 } as unknown as CommandDecoder
  const input = new Input(decoder, systemClock, 1000)
  input.listen(stream, () => {})
  stream.write('DONE\r\n')
  await setImmediate()
  await input.wait()
  let waited = false
  const wait = input.wait().then(() => {
    waited = true
  })
  await setImmediate()
  assert.equal(waited, false)
  stream.write('more')
  await wait
})
