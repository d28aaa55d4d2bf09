// What every MailboxStore must keep of what others than the owner have: \Seen, readers, annotations, the index of shares.
import assert from 'node:assert/strict'
import type { JournalEntry, MailboxStore } from '../ports.ts'
import { account, collect, inbox, other, sampleCommit, sampleMailbox, sampleMessage } from './samples.ts'

const bob = 'b'.repeat(32)
const carol = 'c'.repeat(32)

interface Parts {
  store: MailboxStore
  reopen(): Promise<MailboxStore>
}

export const sharedRecordTests: Readonly<Record<string, (parts: Parts) => Promise<void>>> = {
  async 'remembers which UIDs were expunged, by mailbox and journal entry'({ store, reopen }) {
    const gone = (seq: number, mailbox: string, ...uids: number[]) =>
      store.commit(sampleCommit(seq, { deleteMessages: uids.map((uid) => ({ mailbox, uid })) }))
    await store.commit(sampleCommit(1, { putMailboxes: [sampleMailbox(inbox), sampleMailbox(other, { name: 'x' })] }))
    await gone(2, inbox, 9, 4)
    await gone(3, other, 5)
    await gone(4, inbox, 7)
    for (const open of [async () => store, reopen]) {
      const it = await open()
      assert.deepEqual(await it.expunged(account, inbox, 0), [4, 7, 9])
      assert.deepEqual(await it.expunged(account, inbox, 2), [7])
      assert.deepEqual(await it.expunged(account, inbox, 4), [])
      assert.deepEqual(await it.expunged(account, other, 0), [5])
    }
  },

  async 'keeps what readers have seen, and the operations in the journal'({ store, reopen }) {
    const mark = (uid: number, seen: boolean, seq: number) => ({ uid, seen, modseq: 2 ** 36 + seq })
    const reader = (user: string, seen: number) => ({ user, seen, highestModseq: 2 ** 36 + 2, subscribed: true })
    const ops: JournalEntry['ops'] = [
      { op: 'seen', mailbox: inbox, user: bob, uids: [1, 2, 5], seen: true },
      { op: 'reader', mailbox: inbox, user: bob, subscribed: true },
      { op: 'annotation', mailbox: inbox, user: bob, name: '/comment', value: 'h\u00ff' },
      { op: 'annotation', mailbox: null, user: null, name: '/x', value: null },
      { op: 'quota', limits: { bytes: 1, messages: 2, mailboxes: 3 } },
      { op: 'subscription', name: 'Älter/旧', subscribed: true },
      { op: 'subscription', name: 'gone', subscribed: false },
    ]
    const first = sampleCommit(1, {
      putMailboxes: [sampleMailbox(inbox)],
      putReaders: [{ mailbox: inbox, reader: reader(bob, 3) }],
      putSeen: [1, 2, 5].map((uid) => ({ mailbox: inbox, user: bob, mark: mark(uid, true, 1) })),
    })
    first.entry.ops = ops
    await store.commit(first)
    await store.commit(
      sampleCommit(2, {
        putReaders: [
          { mailbox: inbox, reader: reader(bob, 1) },
          { mailbox: inbox, reader: reader(carol, 1) },
        ],
        putSeen: [
          { mailbox: inbox, user: bob, mark: mark(2, false, 2) },
          { mailbox: inbox, user: carol, mark: mark(1, true, 2) },
        ],
        deleteSeen: [{ mailbox: inbox, user: bob, uid: 5 }],
      }),
    )
    for (const open of [async () => store, reopen]) {
      const it = await open()
      assert.deepEqual(await it.loadSeen(account, inbox, bob), [mark(1, true, 1), mark(2, false, 2)])
      assert.deepEqual(await it.loadSeen(account, inbox, carol), [mark(1, true, 2)])
      assert.deepEqual(await it.loadSeen(account, other, bob), [])
      assert.deepEqual((await it.loadState(account))?.readers, [
        { mailbox: inbox, reader: reader(bob, 1) },
        { mailbox: inbox, reader: reader(carol, 1) },
      ])
      assert.deepEqual((await collect(it.journal(account, 0)))[0]?.ops, ops)
    }
  },

  async 'keeps annotations of mailboxes, of the account and of the server'({ store, reopen }) {
    const annotation = (mailbox: string | null, user: string | null, name: string, value: string) => ({
      mailbox,
      user,
      name,
      value,
    })
    await store.commit(
      sampleCommit(1, {
        putMailboxes: [sampleMailbox(inbox)],
        putAnnotations: [
          annotation(inbox, null, '/comment', 'ours'),
          annotation(inbox, bob, '/comment', 'Bob\u0000\u00ff'),
          annotation(inbox, bob, '/vendor/a', 'x'),
          annotation(null, account, '/vendor/b', 'y'),
        ],
      }),
    )
    await store.commit(sampleCommit(2, { deleteAnnotations: [{ mailbox: inbox, user: bob, name: '/vendor/a' }] }))
    await store.putServerAnnotation('/comment', 'welcome')
    await store.putServerAnnotation('/admin', 'x')
    await store.putServerAnnotation('/admin', null)
    for (const open of [async () => store, reopen]) {
      const it = await open()
      assert.deepEqual(await it.loadAnnotations(account, inbox), [
        annotation(inbox, null, '/comment', 'ours'),
        annotation(inbox, bob, '/comment', 'Bob\u0000\u00ff'),
      ])
      assert.deepEqual(await it.loadAnnotations(account, null), [annotation(null, account, '/vendor/b', 'y')])
      assert.deepEqual(await it.loadServerAnnotations(), [annotation(null, null, '/comment', 'welcome')])
    }
  },

  async 'the index of shares leads from whoever is let in to the owner'({ store, reopen }) {
    const acl = [{ who: bob, rights: 'lr' }]
    await store.commit(
      sampleCommit(1, {
        putMailboxes: [sampleMailbox(inbox, { acl }), sampleMailbox(other, { name: 'x', acl })],
        putShares: [
          { grantee: bob, mailbox: inbox },
          { grantee: bob, mailbox: other },
          { grantee: 'anyone', mailbox: other },
        ],
      }),
    )
    await store.commit(sampleCommit(1, { putShares: [{ grantee: bob, mailbox: inbox }] }, carol))
    await store.commit(sampleCommit(2, { deleteShares: [{ grantee: 'anyone', mailbox: other }] }))
    const shares = [
      { owner: carol, mailbox: inbox },
      { owner: account, mailbox: inbox },
      { owner: account, mailbox: other },
    ]
    for (const open of [async () => store, reopen]) {
      const it = await open()
      assert.deepEqual(await it.sharedWith(bob), shares)
      assert.deepEqual(await it.sharedWith('anyone'), [])
    }
    const again = await reopen()
    await again.deleteAccount(account)
    assert.deepEqual(await again.sharedWith(bob), [{ owner: carol, mailbox: inbox }])
  },

  async 'a deleted mailbox takes along what others have of it'({ store }) {
    await store.commit(
      sampleCommit(1, {
        putMailboxes: [sampleMailbox(inbox), sampleMailbox(other, { name: 'x' })],
        putReaders: [{ mailbox: inbox, reader: { user: bob, seen: 1, highestModseq: 1, subscribed: false } }],
        putSeen: [{ mailbox: inbox, user: bob, mark: { uid: 1, seen: true, modseq: 1 } }],
        putMessages: [{ mailbox: inbox, record: sampleMessage(1) }],
        putAnnotations: [{ mailbox: inbox, user: null, name: '/comment', value: 'v' }],
      }),
    )
    await store.commit(sampleCommit(2, { deleteMessages: [{ mailbox: inbox, uid: 1 }] }))
    await store.commit(sampleCommit(3, { deleteMailboxes: [inbox] }))
    assert.deepEqual((await store.loadState(account))?.readers, [])
    assert.deepEqual(await store.loadSeen(account, inbox, bob), [])
    assert.deepEqual(await store.expunged(account, inbox, 0), [])
    assert.deepEqual(await store.loadAnnotations(account, inbox), [])
  },
}
