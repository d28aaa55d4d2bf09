// Runs every golden session in test/transcripts against a server of its own. A first line `#! {…}` holds its options.
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { runTranscript, tcpConnect } from '@skein/testkit'
import { startHarness, steps } from './harness.ts'
import type { HarnessOptions } from './harness.ts'

interface TranscriptSettings extends Pick<HarnessOptions, 'limits' | 'quotaBytes' | 'tokens'> {
  implicitTls?: boolean
}

const folder = new URL('transcripts/', import.meta.url)

for (const file of readdirSync(folder).filter((name) => name.endsWith('.txt'))) {
  test(`transcript ${file}`, async () => {
    const text = readFileSync(new URL(file, folder), 'utf8')
    const header = /^#! (.*)$/m.exec(text)?.[1] ?? '{}'
    const { implicitTls = false, ...options } = JSON.parse(header) as TranscriptSettings
    await using harness = await startHarness(options)
    const connect = tcpConnect(implicitTls ? harness.tlsPort : harness.port, { implicitTls })
    await runTranscript(text, connect, { steps: steps(harness) })
  })
}
