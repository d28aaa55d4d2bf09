// curl and imapflow at IMAP, each doing a person's job.
import { test } from 'node:test'
import { curlJob, imapflowJob } from './clients/imap-jobs.ts'
import { runJobs } from './clients/run-jobs.ts'
import { Stage } from './harness/stage.ts'

test('IMAP clients', { timeout: 300_000 }, async (t) => {
  await runJobs(new Stage(t), [curlJob, imapflowJob], ['home', 'elsewhere'])
})
