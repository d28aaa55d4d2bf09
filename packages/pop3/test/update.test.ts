// QUIT where the deletions fail, in part or whole (RFC 1939 §6).
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import type { AccountMailboxes } from '@skein/mailboxes'
import { SkeinError } from '@skein/runtime'
import { password, startServer } from './server-fixture.ts'

async function talk(port: number, lines: string[]): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1' })
  socket.end(lines.map((line) => `${line}\r\n`).join(''))
  let text = ''
  for await (const chunk of socket) text += String(chunk)
  return text
}

const deleteAll = ['USER aaa@test.example', `PASS ${password}`, 'DELE 1', 'DELE 2', 'QUIT']
const messages = ['Subject: one\r\n\r\n', 'Subject: two\r\n\r\n']

/** The server's own view of the account, with another `expunge`. */
async function startWith(expunge: (account: AccountMailboxes, uids: readonly number[]) => Promise<number[]>) {
  const there = await startServer(messages)
  const open = there.mailboxes.open.bind(there.mailboxes)
  there.mailboxes.open = async (id) => {
    const account = await open(id)
    return new Proxy(account, {
      get(target, name) {
        if (name === 'expunge') return (_mailbox: string, uids: readonly number[]) => expunge(target, uids)
        const value: unknown = Reflect.get(target, name)
        return typeof value === 'function' ? (value.bind(target) as unknown) : value
      },
    })
  }
  return there
}

test('what could not be deleted is told at QUIT', async () => {
  await using none = await startWith(async () => {
    throw new SkeinError('disk-full', 'temporary', 'no room')
  })
  assert.match(await talk(none.port, deleteAll), /-ERR \[SYS\/TEMP\] nothing was deleted: no room\r\n$/)
  assert.equal((await none.inbox()).length, 2)
  await using half = await startWith(async (account, uids) => {
    const inbox = account.byName('INBOX')?.id ?? ''
    return account.expunge(inbox, uids.slice(0, 1))
  })
  assert.match(await talk(half.port, deleteAll), /-ERR \[SYS\/TEMP\] 1 deleted messages not removed\r\n$/)
  assert.equal((await half.inbox()).length, 1)
})

test('what another front door removed meanwhile is as good as deleted', async () => {
  await using there = await startWith(async (account, uids) => {
    const inbox = account.byName('INBOX')?.id ?? ''
    await account.expunge(inbox, uids.slice(0, 1))
    return account.expunge(inbox, uids)
  })
  assert.match(await talk(there.port, deleteAll), /\+OK bye, 0 messages left\r\n$/)
})
