// Starts a load generator process for a job, so that building and counting letters never shares a thread with anything measured.
import { fileURLToPath } from 'node:url'
import { mustRun } from '../harness/processes.ts'
import type { Job, ResultOf } from './job.ts'

const program = fileURLToPath(new URL('./load-generator.ts', import.meta.url))

export async function generate<J extends Job>(job: J): Promise<ResultOf<J>> {
  const { stdout } = await mustRun(process.execPath, [program], { input: JSON.stringify(job), timeoutMs: 600_000 })
  return JSON.parse(stdout) as ResultOf<J>
}
