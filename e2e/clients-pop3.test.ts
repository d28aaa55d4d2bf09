// Programs that collect letters: fetchmail and mpop, each doing a person's job.
import { test } from 'node:test'
import { fetchmailJob, mpopJob } from './clients/collecting-jobs.ts'
import { runJobs } from './clients/run-jobs.ts'
import { Stage } from './harness/stage.ts'

test('collecting clients', { timeout: 300_000 }, async (t) => {
  await runJobs(new Stage(t), [fetchmailJob, mpopJob], ['home', 'elsewhere'])
})
