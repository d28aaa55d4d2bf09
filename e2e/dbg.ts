import { startNode, ports } from './harness/skein.ts'
import { ImapClient } from './harness/imap-client.ts'
import { fillMailbox } from './harness/fill.ts'
const node = await startNode({ name: 'dbg', users: { 'a@test.com': 'wild-geese-42' } })
const c = await ImapClient.login({ host: node.address, port: ports.imap }, 'a@test.com', 'wild-geese-42')
const d = await ImapClient.login({ host: node.address, port: ports.imap }, 'a@test.com', 'wild-geese-42')
await fillMailbox(c, 'INBOX', [{ text: 'Subject: a\r\n\r\na' }, { text: 'Subject: a\r\n\r\na' }, { text: 'Subject: a\r\n\r\na' }])
const log: string[] = []
c.link.socket.on('data', (x: Buffer) => { log.push(x.toString()); if (log.length > 6) log.shift() })
await c.must('SELECT INBOX')
await d.must('SELECT INBOX')
await c.must('UID SEARCH RETURN (UPDATE ALL) UNFLAGGED')
try {
  for (let i = 0; i < 600; i++) {
    await d.must(`STORE 2 ${i % 2 ? '-' : '+'}FLAGS.SILENT (\\Flagged)`)
    if (i % 3 === 2) await new Promise((r) => setImmediate(r))
    await c.command('NOOP', [], 3000)
  }
  console.log('fine')
} catch (e) { console.log(String(e), log) }
await node.kill9(); process.exit(0)
