// The index beside real mailboxes: what it follows, what it survives, what it finds.
import assert from 'node:assert/strict'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ACCOUNT, letter, startHarness } from './harness.ts'

test('words, parts of words, addresses, phrases and Chinese are found in an indexed mailbox', async () => {
  await using harness = await startHarness()
  const one = await harness.deliver(letter('Quarterly Report', 'The turnover of Zürich, see foo-bar.example.com.\r\n'))
  const two = await harness.deliver(letter('会议纪要', '请各位同事查收附件，谢谢！\r\n合同编号 GPT4模型\r\n'))
  harness.index.attend(ACCOUNT)
  await harness.index.settled(ACCOUNT)
  const found = await harness.index.find(harness.account, harness.account.byName('INBOX')?.id ?? '', [
    { field: 'text', text: 'urnov' },
  ])
  assert.equal(found?.coveredUid, two)
  assert.deepEqual([...(found?.hits[0] ?? [])], [one])
  const expected: [Parameters<typeof harness.search>[0], string, number[]][] = [
    ['text', 'TURNOVER of zür', [one]],
    ['body', 'quarterly', []],
    ['subject', 'ly rep', [one]],
    ['subject', 'ly  rep', []],
    ['text', 'bar.example', [one]],
    ['text', '@test.com', [one, two]],
    ['from', 'ann@test', [one, two]],
    ['cc', 'ann', []],
    ['to', '曹', [one, two]],
    ['subject', '会', [two]],
    ['subject', '会议', [two]],
    ['subject', '会议纪要', [two]],
    ['subject', '会纪', []],
    ['body', '谢谢', [two]],
    ['body', '谢谢谢', []],
    ['body', '件，谢', [two]],
    ['body', 'GPT4模', [two]],
    ['body', 'ｇｐｔ４', [two]],
    ['body', '4模', [two]],
    ['body', '', [one, two]],
    ['body', 'nowhere', []],
  ]
  for (const [field, text, uids] of expected) {
    assert.deepEqual(await harness.search(field, text), uids, `${field} ${text}`)
  }
  assert.deepEqual(await harness.search('header', 'utf-8', 'content-type'), [one, two])
  assert.deepEqual(await harness.search('header', 'utf-8', 'subject'), [])
  assert.deepEqual(await harness.search('header', '', 'x-none'), [])
})

test('what arrives, goes, moves or is deleted is followed; files are for the owner only', async () => {
  await using harness = await startHarness()
  harness.index.attend(ACCOUNT)
  const uids: number[] = []
  for (let number = 0; number < 20; number++)
    uids.push(await harness.deliver(letter(`Letter ${number}`, 'lorem ipsum')))
  const { account } = harness
  const inbox = account.byName('INBOX')?.id ?? ''
  const archive = account.byName('Archive')?.id ?? ''
  await harness.index.settled(ACCOUNT)
  await account.expunge(inbox, uids.slice(0, 5))
  await account.move(inbox, uids.slice(5, 10), archive)
  assert.deepEqual(await harness.search('body', 'ipsum'), uids.slice(10))
  assert.equal((await harness.search('body', 'ipsum', undefined, 'Archive')).length, 5)
  await harness.index.settled(ACCOUNT)
  assert.equal((await harness.search('body', 'ipsum', undefined, 'Archive')).length, 5)
  const files = readdirSync(join(harness.directory, ACCOUNT))
  assert.ok(files.includes('manifest'))
  for (const file of files) assert.equal(statSync(join(harness.directory, ACCOUNT, file)).mode & 0o777, 0o600, file)
  await account.create('Other')
  await harness.deliver(letter('x', 'ipsum'), 'Other')
  await account.rename('Other', 'New')
  assert.equal((await harness.search('body', 'ipsum', undefined, 'New')).length, 1)
  await account.delete('New')
  await account.create('New')
  await harness.index.settled(ACCOUNT)
  assert.deepEqual(await harness.search('body', 'ipsum', undefined, 'New'), [])
  await harness.mailboxes.deleteAccount(ACCOUNT)
  await harness.index.settled(ACCOUNT)
})
