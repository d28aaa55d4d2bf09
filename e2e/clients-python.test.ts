// Python's imaplib and poplib, offlineimap and getmail (Python too), each doing a person's job.
import { test } from 'node:test'
import { getmailJob } from './clients/collecting-jobs.ts'
import { offlineimapJob } from './clients/offlineimap-job.ts'
import { imaplibJob, poplibJob } from './clients/python-jobs.ts'
import { runJobs } from './clients/run-jobs.ts'
import { Stage } from './harness/stage.ts'

test('Python clients', { timeout: 300_000 }, async (t) => {
  await runJobs(new Stage(t), [imaplibJob, poplibJob, offlineimapJob, getmailJob], ['home', 'elsewhere'])
})
