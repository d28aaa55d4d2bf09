// An account over memory stores with the real index beside it, in a folder of its own.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createMailboxes } from '@skein/mailboxes'
import type { AccountMailboxes, Mailboxes, TextField, TextQuery } from '@skein/mailboxes'
import { silentLogger, systemClock, systemRandom } from '@skein/runtime'
import { createMemoryMailboxStore, createMemoryMessageLog } from '@skein/testkit'
import { createTextIndex } from '../src/index.ts'
import type { DiskTextIndex, TextIndexSettings } from '../src/index.ts'

export const ACCOUNT = '0123456789abcdef0123456789abcdef'

export interface Harness extends AsyncDisposable {
  directory: string
  index: DiskTextIndex
  mailboxes: Mailboxes
  account: AccountMailboxes
  deliver(text: string | Uint8Array, mailbox?: string): Promise<number>
  /** The index as after a restart. */
  reopen(): Promise<void>
  /** What a search says: the index where it covers, a look at the rest. UIDs. */
  search(field: TextField, text: string, name?: string, mailbox?: string): Promise<number[]>
  uidsOf(mailbox?: string): Promise<number[]>
}

export async function startHarness(settings: Partial<TextIndexSettings> = {}): Promise<Harness> {
  const directory = mkdtempSync(join(tmpdir(), 'skein-search-'))
  const log = createMemoryMessageLog()
  const parts = { clock: systemClock, random: systemRandom, logger: silentLogger }
  const create = () => createTextIndex({ log, ...parts }, { directory, ...settings })
  let index = create()
  const follower = {
    changed: (...args: Parameters<DiskTextIndex['changed']>) => index.changed(...args),
    deleted: (accountId: string) => index.deleted(accountId),
  }
  const mailboxes = createMailboxes({ store: createMemoryMailboxStore(), log, ...parts, follower })
  await mailboxes.createAccount(ACCOUNT, { quotaBytes: 0, epoch: 1 })
  const account = await mailboxes.open(ACCOUNT)
  await index.start(mailboxes)
  const idOf = (name: string) => {
    const record = account.byName(name)
    if (record === undefined) throw new Error(`no mailbox ${name}`)
    return record.id
  }
  return {
    directory,
    get index() {
      return index
    },
    mailboxes,
    account,
    async deliver(text, mailbox = 'INBOX') {
      const blob = await log.append([Buffer.from(text)])
      const [put] = await account.append(idOf(mailbox), [{ blob, flags: [], internalDateMs: 0 }])
      if (put === undefined || put === 'duplicate') throw new Error('not taken')
      return put.uid
    },
    async reopen() {
      await index.close()
      index = create()
      await index.start(mailboxes)
    },
    async search(field, text, name, mailbox = 'INBOX') {
      const id = idOf(mailbox)
      const query: TextQuery = { field, text, ...(name === undefined ? {} : { name }) }
      const found = await index.find(account, id, [query])
      const live = await account.messages(id)
      const unsure = new Set(found?.unsure)
      const rest = live.filter(({ uid }) => found === undefined || uid > found.coveredUid || unsure.has(uid))
      const seen = await index.examine(account, rest, [query])
      const hits = new Set<number>(found?.hits[0])
      for (const [at, { uid }] of rest.entries()) if (seen[at]?.[0] === true) hits.add(uid)
      return live.map(({ uid }) => uid).filter((uid) => hits.has(uid))
    },
    async uidsOf(mailbox = 'INBOX') {
      return (await account.messages(idOf(mailbox))).map(({ uid }) => uid)
    },
    async [Symbol.asyncDispose]() {
      await index.close()
      await account[Symbol.asyncDispose]()
      await mailboxes.close()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

export function letter(subject: string, body: string, headers: readonly string[] = []): string {
  return [
    'From: Ann <ann@test.com>',
    'To: 曹 <cao@test.com>',
    `Subject: ${subject}`,
    'Content-Type: text/plain; charset=utf-8',
    ...headers,
    '',
    body,
  ].join('\r\n')
}
