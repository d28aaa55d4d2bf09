// Programs for terminals: alpine, aerc and neomutt, each doing a person's job.
import { test } from 'node:test'
import { runJobs } from './clients/run-jobs.ts'
import { aercJob, alpineJob, neomuttJob } from './clients/terminal-jobs.ts'
import { Stage } from './harness/stage.ts'

test('terminal clients', { timeout: 300_000 }, async (t) => {
  await runJobs(new Stage(t), [alpineJob, aercJob, neomuttJob], ['home', 'elsewhere'])
})
