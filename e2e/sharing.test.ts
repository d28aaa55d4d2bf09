// Mailboxes shared between users of one node: found, read and copied from; what each has seen is their own; rights taken away
// end a session cleanly; a restart changes nothing; at another node it is the same. Nothing is shared across nodes.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fillMailbox } from './harness/fill.ts'
import type { ImapClient } from './harness/imap-client.ts'
import { eventually } from './harness/poll.ts'
import { type SkeinNode, startMesh } from './harness/skein.ts'
import { Stage, imapOf, letter, password } from './harness/stage.ts'

const owner = 'owner@test.com'
const guest = 'guest@test.com'
const stranger = 'stranger@test.com'
const shared = `"Other Users/${owner}/Team"`

async function answer(client: ImapClient, command: string): Promise<string> {
  return (await client.must(command)).untagged.map(({ text }) => text).join('\n')
}

/** MESSAGES and UNSEEN as a session is told them. */
async function counts(client: ImapClient, mailbox: string): Promise<string | undefined> {
  return /\((MESSAGES \d+ UNSEEN \d+)\)/.exec(await answer(client, `STATUS ${mailbox} (MESSAGES UNSEEN)`))?.[1]
}

test('shared mailboxes', { timeout: 120_000 }, async (t) => {
  const stage = new Stage(t)
  let home!: SkeinNode
  let other!: SkeinNode

  await stage.step('two nodes; two users live on the first, one on the second', async () => {
    const nodes = await startMesh(['home', 'other'])
    stage.add(...nodes)
    ;[home, other] = nodes as [SkeinNode, SkeinNode]
    await home.addUser(owner, password)
    await home.addUser(guest, password)
    await other.addUser(stranger, password)
    for (const node of nodes) {
      await eventually(async () => (await node.users()).length === 3, { what: `the users are known at ${node.name}` })
    }
  })

  await stage.step('SETACL; only what is shared is listed', async () => {
    await using mine = await imapOf(home, owner)
    await mine.must('CREATE Team')
    await mine.must('CREATE Secret')
    const texts = ['one', 'two', 'three'].map((subject) => letter(owner, guest, subject).text)
    await fillMailbox(
      mine,
      'Team',
      texts.map((text) => ({ text })),
    )
    await using theirs = await imapOf(home, guest)
    assert.equal(await answer(theirs, 'LIST "" "Other Users/*"'), '')
    assert.match((await theirs.command(`SELECT ${shared}`)).text, /^NO \[NONEXISTENT\]/)
    await mine.must(`SETACL Team ${guest} lrs`)
    const listed = await answer(theirs, 'LIST "" "Other Users/*"')
    assert.match(listed, /"Other Users\/owner@test\.com\/Team"/)
    assert.doesNotMatch(listed, /Secret/)
    assert.match(await answer(theirs, `MYRIGHTS ${shared}`), / "?lrs"?$/)
  })

  await stage.step('a user of another node: refused, and told why', async () => {
    await using mine = await imapOf(home, owner)
    const refused = await mine.command(`SETACL Team ${stranger} lrs`)
    assert.match(refused.text, /^NO \[CANNOT\] .*mailboxes are shared among the users of one node/)
  })

  await stage.step('read and copied; what each has seen is their own', async () => {
    await using mine = await imapOf(home, owner)
    await using theirs = await imapOf(home, guest)
    assert.equal(await theirs.select(shared.slice(1, -1)), 3)
    const bodies = await theirs.fetchBodies('1', 'BODY[]')
    assert.match(String([...bodies.values()][0]), /Subject: one/)
    assert.equal(await counts(theirs, shared), 'MESSAGES 3 UNSEEN 2')
    assert.equal(await counts(mine, 'Team'), 'MESSAGES 3 UNSEEN 3')
    assert.equal(await mine.select('Team'), 3)
    await mine.must('STORE 2:3 +FLAGS.SILENT (\\Seen)')
    assert.equal(await counts(theirs, shared), 'MESSAGES 3 UNSEEN 2')
    assert.equal(await counts(mine, 'Team'), 'MESSAGES 3 UNSEEN 1')
    assert.match((await theirs.command('STORE 1 +FLAGS (\\Deleted)')).text, /^NO \[NOPERM\]/)
    await theirs.must('COPY 2 INBOX')
    assert.equal(await theirs.select('INBOX'), 1)
    assert.deepEqual(await theirs.headerValues('Subject'), ['two'])
  })

  await stage.step('at the other node it is the same', async () => {
    await using theirs = await imapOf(other, guest)
    assert.match(await answer(theirs, 'LIST "" "Other Users/*"'), /\/Team"/)
    assert.equal(await theirs.select(shared.slice(1, -1)), 3)
    assert.equal(await answer(theirs, 'SEARCH SEEN'), '* SEARCH 1')
  })

  await stage.step('a restart keeps rights, and what was seen', async () => {
    await home.restart()
    await using mine = await imapOf(home, owner)
    await using theirs = await imapOf(home, guest)
    assert.match(await answer(mine, 'GETACL Team'), /"?guest@test\.com"? "?lrs"?/)
    assert.equal(await counts(theirs, shared), 'MESSAGES 3 UNSEEN 2')
    assert.equal(await counts(mine, 'Team'), 'MESSAGES 3 UNSEEN 1')
    assert.equal(await theirs.select(shared.slice(1, -1)), 3)
    assert.equal(await answer(theirs, 'SEARCH SEEN'), '* SEARCH 1')
  })

  await stage.step('a right that is taken away in IDLE ends the session, or the selection', async () => {
    await using mine = await imapOf(home, owner)
    await using old = await imapOf(home, guest)
    await using modern = await imapOf(home, guest)
    await modern.must('ENABLE QRESYNC')
    for (const client of [old, modern]) await client.select(shared.slice(1, -1))
    const [ending, closing] = [await old.idle(), await modern.idle()]
    await mine.must(`DELETEACL Team ${guest}`)
    assert.match((await ending.next(5_000)).text, /^\* BYE /)
    assert.match((await closing.next(5_000)).text, /^\* OK \[CLOSED\]/)
    await closing.done()
    assert.equal(await answer(modern, 'LIST "" "Other Users/*"'), '')
    assert.match((await modern.command(`STATUS ${shared} (MESSAGES)`)).text, /^NO \[NONEXISTENT\]/)
    assert.equal(await modern.select('INBOX'), 1)
    assert.equal(await counts(mine, 'Team'), 'MESSAGES 3 UNSEEN 1')
  })
})
