// What every MailboxStore must do. `setup` is called for each test and gives an empty store.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { JournalEntry, MailboxCommit, MailboxStore, MessageRecord } from '../ports.ts'
import { account, collect, inbox, other, sampleCommit, sampleMailbox, sampleMessage } from './samples.ts'
import { sharedRecordTests } from './shared-records.ts'

export interface MailboxStoreSetup {
  store: MailboxStore
  /** The store as the next start finds it, after a clean stop. */
  reopen(): Promise<MailboxStore>
  close(): Promise<void>
}

export function mailboxStoreCompliance(name: string, setup: () => Promise<MailboxStoreSetup>): void {
  const test = (title: string, body: (parts: MailboxStoreSetup) => Promise<void>): void => {
    void it(title, async () => {
      const parts = await setup()
      try {
        await body(parts)
      } finally {
        await parts.close()
      }
    })
  }

  describe(`mailbox store: ${name}`, () => {
    test('knows nothing of an account before its first commit', async ({ store }) => {
      assert.equal(await store.loadState(account), undefined)
      assert.deepEqual(await store.loadMessages(account, inbox), [])
      assert.deepEqual(await store.loadInfos(account, ['x', 'y']), [undefined, undefined])
      assert.deepEqual(await store.loadThreads(account, ['k']), [undefined])
      assert.equal(await store.hasDelivery(account, 'd'), false)
      assert.deepEqual(await collect(store.journal(account, 0)), [])
    })

    test('keeps every field of every record, over a restart', async ({ store, reopen }) => {
      const mailbox = sampleMailbox(inbox, {
        name: '收件箱/ä',
        specialUse: '\\Archive',
        keywords: ['$Label1', 'Wichtig'],
        messages: 4,
      })
      const messages = [
        sampleMessage(1),
        sampleMessage(2, { flags: ['\\Seen', '\\Answered', '\\Flagged', '\\Deleted', '\\Draft'] }),
        sampleMessage(2 ** 32 - 1, {
          flags: ['\\Flagged', '$Forwarded', 'keyword'],
          size: 11,
          threadId: 'other-thread',
        }),
        sampleMessage(70_000, {
          savedDateMs: 5,
          internalDateMs: -1,
          modseq: 2 ** 53 - 1,
          blob: { segment: 2 ** 32 - 1, offset: 2 ** 40, length: 2 ** 33 },
        }),
      ]
      const ops: JournalEntry['ops'] = [
        { op: 'mailbox', mailbox },
        ...messages.map((message) => ({ op: 'add' as const, mailbox: inbox, message })),
        { op: 'add', mailbox: inbox, message: messages[0] as MessageRecord, deliveryId: '01KE.0' },
        { op: 'flags', mailbox: inbox, uid: 7, flags: ['\\Seen', 'x'] },
        { op: 'expunge', mailbox: inbox, uid: 9, emailId: 'gone' },
        { op: 'mailbox-delete', mailbox: other, name: 'Älter/旧' },
      ]
      const infos = [
        {
          emailId: messages[0]?.emailId as string,
          index: { v: 1, subject: 'Grüße 你好 \u0001', nested: [{ a: null }] },
        },
      ]
      const base = sampleCommit(1)
      const commit: MailboxCommit = {
        ...base,
        state: { ...base.state, subscribedNames: ['Älter', '旧/gone'] },
        entry: { ...base.entry, ops },
        putMailboxes: [mailbox],
        putMessages: messages.map((record) => ({ mailbox: inbox, record })),
        putInfos: infos,
        deliveryIds: [{ id: '01KE.0', atMs: 17 }],
        putThreads: [{ key: 'k1', threadId: 't1' }],
      }
      await store.commit(commit)
      for (const open of [async () => store, reopen]) {
        const it = await open()
        assert.deepEqual(await it.loadState(account), {
          state: commit.state,
          mailboxes: [mailbox],
          readers: [],
        })
        const ascending = [...messages].sort((a, b) => a.uid - b.uid)
        assert.deepEqual(await it.loadMessages(account, inbox), ascending)
        assert.deepEqual(await it.loadInfos(account, ['none', infos[0]?.emailId as string]), [undefined, infos[0]])
        assert.deepEqual(await it.loadThreads(account, ['k0', 'k1']), [undefined, 't1'])
        assert.equal(await it.hasDelivery(account, '01KE.0'), true)
        assert.equal(await it.hasDelivery(account, '01KE.1'), false)
        assert.deepEqual(await collect(it.journal(account, 0)), [commit.entry])
        assert.deepEqual(await collect(it.journal(account, 1)), [])
      }
    })

    test('replaces and deletes', async ({ store }) => {
      const put = (uid: number, flags: string[] = []) => ({ mailbox: inbox, record: sampleMessage(uid, { flags }) })
      await store.commit(
        sampleCommit(1, {
          putMailboxes: [sampleMailbox(inbox)],
          putMessages: [put(1), put(2), put(3)],
          putInfos: [{ emailId: 'e', index: 1 }],
        }),
      )
      await store.commit(
        sampleCommit(2, {
          putMessages: [put(2, ['\\Seen'])],
          deleteMessages: [{ mailbox: inbox, uid: 1 }],
          deleteInfos: ['e'],
        }),
      )
      assert.deepEqual(await store.loadMessages(account, inbox), [
        sampleMessage(2, { flags: ['\\Seen'] }),
        sampleMessage(3),
      ])
      assert.deepEqual(await store.loadInfos(account, ['e']), [undefined])
      assert.equal((await store.loadState(account))?.state.seq, 2)
    })

    test('a deleted mailbox takes its messages along, those of a commit just before it too', async ({ store }) => {
      const record = sampleMessage(1)
      await Promise.all([
        store.commit(
          sampleCommit(1, {
            putMailboxes: [sampleMailbox(inbox), sampleMailbox(other, { name: 'x' })],
            putMessages: [{ mailbox: other, record }],
          }),
        ),
        store.commit(
          sampleCommit(2, {
            putMessages: [
              { mailbox: inbox, record },
              { mailbox: inbox, record: sampleMessage(2) },
            ],
          }),
        ),
        store.commit(sampleCommit(3, { deleteMailboxes: [inbox] })),
      ])
      assert.deepEqual(await store.loadMessages(account, inbox), [])
      assert.deepEqual(await store.loadMessages(account, other), [record])
      assert.deepEqual(
        (await store.loadState(account))?.mailboxes.map((it) => it.id),
        [other],
      )
    })

    test('commits of one account become durable in order', async ({ store, reopen }) => {
      const done: number[] = []
      await Promise.all(
        Array.from({ length: 50 }, async (_, index) => {
          const record = sampleMessage(index + 1)
          await store.commit(
            sampleCommit(index + 1, {
              putMailboxes: [sampleMailbox(inbox, { uidNext: index + 2 })],
              putMessages: [{ mailbox: inbox, record }],
            }),
          )
          done.push(index + 1)
        }),
      )
      assert.deepEqual(
        done,
        done.toSorted((a, b) => a - b),
      )
      const again = await reopen()
      const loaded = await again.loadState(account)
      assert.equal(loaded?.state.seq, 50)
      assert.equal(loaded?.mailboxes[0]?.uidNext, 51)
      assert.equal((await again.loadMessages(account, inbox)).length, 50)
      assert.deepEqual(
        (await collect(again.journal(account, 40))).map((entry) => entry.seq),
        [41, 42, 43, 44, 45, 46, 47, 48, 49, 50],
      )
    })

    test('keeps accounts apart, and deletes one whole', async ({ store }) => {
      const second = 'e'.repeat(32)
      for (const id of [account, second]) {
        const record = sampleMessage(1)
        await store.commit(
          sampleCommit(
            1,
            {
              putMailboxes: [sampleMailbox(inbox)],
              putMessages: [{ mailbox: inbox, record }],
              putInfos: [{ emailId: 'e', index: id }],
              deliveryIds: [{ id: 'd', atMs: 1 }],
              putThreads: [{ key: 'k', threadId: id }],
            },
            id,
          ),
        )
      }
      await store.deleteAccount(account)
      assert.equal(await store.loadState(account), undefined)
      assert.deepEqual(await store.loadMessages(account, inbox), [])
      assert.deepEqual(await store.loadInfos(account, ['e']), [undefined])
      assert.equal(await store.hasDelivery(account, 'd'), false)
      assert.deepEqual(await collect(store.journal(account, 0)), [])
      assert.equal((await store.loadState(second))?.state.accountId, second)
      assert.deepEqual(await store.loadMessages(second, inbox), [sampleMessage(1)])
      assert.deepEqual(await store.loadThreads(second, ['k']), [second])
    })

    test('what was parsed again is kept with the next commit', async ({ store }) => {
      await store.commit(sampleCommit(1))
      store.saveInfos(account, [{ emailId: 'e', index: { again: true } }])
      await store.commit(sampleCommit(2))
      assert.deepEqual(await store.loadInfos(account, ['e']), [{ emailId: 'e', index: { again: true } }])
    })

    for (const [title, body] of Object.entries(sharedRecordTests)) test(title, body)
  })
}
