// Python's own mail modules at work; what they do is in the scripts beside this file.
import assert from 'node:assert/strict'
import { fileURLToPath } from 'node:url'
import { mustRun } from '../harness/processes.ts'
import { ports } from '../harness/skein.ts'
import { type Job, atHome, chineseLetters, putLetters } from './seat.ts'

const script = (name: string) => fileURLToPath(new URL(name, import.meta.url))

export const imaplibJob: Job = {
  name: "Python's imaplib: folders, letters, searches, flags, moves",
  programs: ['python3'],
  async run(seat) {
    const { node, user, password } = seat
    const args = [script('imaplib_job.py'), node.address, `${ports.imap}`, user, password]
    const { stdout } = await mustRun('python3', args)
    assert.equal(stdout.trim(), 'done')
    await using client = await atHome(seat)
    assert.equal(await client.count('&ZedP4Q-'), 18)
  },
}

export const poplibJob: Job = {
  name: "Python's poplib: unique ids, RETR, TOP, RSET, deletions only by QUIT",
  programs: ['python3'],
  async run(seat) {
    const { node, user, password } = seat
    await putLetters(seat, 'INBOX', chineseLetters(seat, 20))
    const args = [script('poplib_job.py'), node.address, `${ports.pop3}`, user, password, '20']
    const { stdout } = await mustRun('python3', args)
    assert.equal(stdout.trim(), 'done')
    await using client = await atHome(seat)
    assert.equal(await client.count('INBOX'), 10)
  },
}
