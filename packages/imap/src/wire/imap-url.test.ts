import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { parseImapUrl, shownUrl } from './imap-url.ts'

test('the URLs of RFC 4469 Appendix A and RFC 8508 §4.2', () => {
  const plain = { uidValidity: undefined, section: undefined, partial: undefined }
  const cases: [string, ReturnType<typeof parseImapUrl>][] = [
    [
      '/Drafts;UIDVALIDITY=385759045/;UID=20/;section=HEADER',
      { ...plain, mailbox: 'Drafts', uidValidity: 385759045, uid: 20, section: 'HEADER' },
    ],
    [
      '/Drafts;UIDVALIDITY=385759045/;UID=20/;Section=2.MIME',
      { ...plain, mailbox: 'Drafts', uidValidity: 385759045, uid: 20, section: '2.MIME' },
    ],
    ['/Drafts/;UID=3002', { ...plain, mailbox: 'Drafts', uid: 3002 }],
    [';UID=7/;SECTION=1', { ...plain, mailbox: undefined, uid: 7, section: '1' }],
    ['/a/b%20c/;uid=1', { ...plain, mailbox: 'a/b c', uid: 1 }],
    [
      '/%E5%8F%B0%E5%8C%97/;UID=1/;PARTIAL=5.10',
      { ...plain, mailbox: '台北', uid: 1, partial: { start: 5, count: 10 } },
    ],
    ['/x/;UID=1/;PARTIAL=5', { ...plain, mailbox: 'x', uid: 1, partial: { start: 5, count: undefined } }],
    [
      '/x/;UID=1/;SECTION=HEADER.FIELDS%20(DATE%20FROM)',
      { ...plain, mailbox: 'x', uid: 1, section: 'HEADER.FIELDS (DATE FROM)' },
    ],
  ]
  for (const [text, wanted] of cases) assert.deepEqual(parseImapUrl(text), wanted, text)
})

test('what is no message of this session', () => {
  const texts = ['', '/', '/INBOX', 'imap://a@b/INBOX/;UID=1', '//b/INBOX/;UID=1', '/INBOX/;UID=0', '/INBOX/;UID=x']
  const more = [
    '/INBOX/;UID=99999999999',
    '/%ff/;UID=1',
    '/x/;UID=1/;SECTION=1;URLAUTH=anonymous',
    '/x;UIDVALIDITY=0/;UID=1',
  ]
  for (const text of [...texts, ...more]) assert.equal(parseImapUrl(text), undefined, text)
})

test('any mailbox name and section come back', () => {
  const name = fc
    .string({ unit: 'grapheme', minLength: 1 })
    .filter((text) => text.isWellFormed() && !text.endsWith('/'))
  fc.assert(
    fc.property(name, fc.nat(1000), name, (mailbox, uid, section) => {
      const url = `/${encodeURIComponent(mailbox)}/;UID=${uid + 1}/;SECTION=${encodeURIComponent(section)}`
      const parsed = parseImapUrl(url)
      assert.equal(parsed?.mailbox, mailbox)
      assert.equal(parsed?.section, section)
      assert.equal(parsed?.uid, uid + 1)
    }),
  )
})

test('any bytes are read or not, quickly, and can be shown', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary-ascii' }), (text) => {
      parseImapUrl(text)
      assert.match(shownUrl(text), /^[ -[^-~]*$/)
    }),
  )
  const startMs = performance.now()
  parseImapUrl(`/${'/'.repeat(60_000)};UID=1${'/;SECTION=1'.repeat(10)}`)
  assert.ok(performance.now() - startMs < 500)
})
