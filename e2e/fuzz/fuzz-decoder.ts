// Runs the fuzzer of the IMAP decoder in a process of its own and ends it when it falls silent: an endless loop is found too.
import { fileURLToPath } from 'node:url'
import { TrackedProcess } from '../harness/processes.ts'

const program = fileURLToPath(new URL('../../packages/imap/test/decoder-fuzz.ts', import.meta.url))
const silenceMsMax = 15_000

/** @returns its last line of figures */
export async function fuzzDecoder(seed: string, seconds: number): Promise<unknown> {
  const child = new TrackedProcess(process.execPath, [program, seed, `${seconds}`])
  let length = 0
  let heardAt = performance.now()
  const watch = setInterval(() => {
    if (child.stdout.length !== length) {
      length = child.stdout.length
      heardAt = performance.now()
    } else if (performance.now() - heardAt > silenceMsMax) child.killNow()
  }, 500)
  try {
    const { code } = await child.exited
    const last = child.stdout.trim().split('\n').at(-1) ?? ''
    if (code !== 0) throw new Error(`decoder, seed ${seed}: ${code === null ? `silent after ${last}` : child.stderr}`)
    return JSON.parse(last)
  } finally {
    clearInterval(watch)
  }
}
