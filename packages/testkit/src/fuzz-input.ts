// Hostile input from a seed: commands that follow the grammar of IMAP or POP3 and are then damaged; cut into any chunks.
// Byte strings throughout: one character for each byte.
import type { SeededRandom } from './seeded-random.ts'

type Make = (random: SeededRandom) => string

const oneOf =
  (...choices: (string | Make)[]): Make =>
  (random) => {
    const chosen = random.pick(choices)
    return typeof chosen === 'string' ? chosen : chosen(random)
  }

const some =
  (make: Make, most: number, separator = ' '): Make =>
  (random) =>
    Array.from({ length: random.between(1, most) }, () => make(random)).join(separator)

const number = oneOf('0', '1', '2', '3', '9', '4294967295', '4294967296', '99999999999999999999', '-1', '01', '*')
const set = some((random) => (random.chance(0.5) ? number(random) : `${number(random)}:${number(random)}`), 4, ',')
const anySet = oneOf(set, '1:*', '$', '*', '1,1,1,1', '*:1')

/** Literals of every kind, some of which lie about their length. */
const literal: Make = (random) => {
  const text = random.pick(['', 'a', 'INBOX', 'x\r\ny', '\xe9\x9b\x81', '\0', 'a'.repeat(300), '&ZedP4Q-'])
  const lie = random.chance(0.1) ? random.pick([1, -1, 1000, 10 ** 15]) : 0
  const announcement = `{${Math.max(0, text.length + lie)}${random.pick(['+', '+', '+', '', '-'])}}`
  return `${random.chance(0.2) ? '~' : ''}${announcement}\r\n${text}`
}
const quotedText = oneOf('""', '"a"', '"\\""', '"\\\\"', '"\xe9\x9b\x81"', '"Subject"', '"a b"', '"\\a"', '"\t"')
const text = oneOf('a', 'Letter', 'NIL', quotedText, literal)
const mailbox = oneOf('INBOX', 'inbox', 'Archive', '"&ZedP4Q-"', 'a/b', '&-', '&AGE-', '*', '%', '""', '#shared', text)
const flag = oneOf('\\Seen', '\\Deleted', '\\Flagged', '\\Recent', '\\*', '$Work', 'a]', '\\', 'x'.repeat(300))
const flags: Make = (random) => `(${random.chance(0.2) ? '' : some(flag, 4)(random)})`
const date = oneOf('1-Jan-2026', '"31-Feb-2026"', '00-Xxx-0000', '"1-Jan-2026"')
const dateTime = oneOf('" 1-Jan-2026 00:00:00 +0000"', '"31-Dec-9999 23:59:60 -1400"', '"x"')
const fields = some(oneOf('Subject', 'FROM', '"X-Y"', 'a:b', literal), 3)
const section: Make = (random) => {
  const part = random.chance(0.5) ? some(oneOf('1', '2', '0', '99999'), 5, '.')(random) : ''
  const what = random.pick([
    '',
    'HEADER',
    'TEXT',
    'MIME',
    `HEADER.FIELDS (${fields(random)})`,
    `HEADER.FIELDS.NOT (${fields(random)})`,
  ])
  const partial = random.chance(0.3) ? `<${number(random)}.${number(random)}>` : ''
  return `[${part}${part !== '' && what !== '' ? '.' : ''}${what}]${partial}`
}
const fetchItem = oneOf(
  'FLAGS',
  'UID',
  'ENVELOPE',
  'INTERNALDATE',
  'RFC822.SIZE',
  'RFC822',
  'RFC822.HEADER',
  'RFC822.TEXT',
  'BODY',
  'BODYSTRUCTURE',
  'MODSEQ',
  'EMAILID',
  'THREADID',
  'SAVEDATE',
  'PREVIEW',
  'PREVIEW (LAZY)',
  (random) => `BODY${section(random)}`,
  (random) => `BODY.PEEK${section(random)}`,
  (random) => `BINARY.PEEK[${some(number, 3, '.')(random)}]`,
  (random) => `BINARY.SIZE[${some(number, 3, '.')(random)}]`,
)
const fetchItems = oneOf('ALL', 'FAST', 'FULL', fetchItem, (random) => `(${some(fetchItem, 6)(random)})`)
const searchKey: Make = (random) => {
  const plain = [
    'ALL',
    'ANSWERED',
    'DELETED',
    'NEW',
    'OLD',
    'RECENT',
    'SEEN',
    'UNSEEN',
    'UNDELETED',
    'SAVEDATESUPPORTED',
  ]
  const nested = random.chance(0.3)
  const kind = random.integer(nested ? 11 : 8)
  if (kind === 0) return random.pick(plain)
  if (kind === 1)
    return `${random.pick(['BCC', 'BODY', 'CC', 'FROM', 'SUBJECT', 'TEXT', 'TO', 'FUZZY TEXT'])} ${text(random)}`
  if (kind === 2)
    return `${random.pick(['BEFORE', 'ON', 'SINCE', 'SENTBEFORE', 'SENTON', 'SENTSINCE', 'SAVEDSINCE'])} ${date(random)}`
  if (kind === 3) return `HEADER ${text(random)} ${text(random)}`
  if (kind === 4) return `${random.pick(['LARGER', 'SMALLER', 'OLDER', 'YOUNGER'])} ${number(random)}`
  if (kind === 5) return `${random.pick(['KEYWORD', 'UNKEYWORD'])} ${flag(random)}`
  if (kind === 6) return `UID ${anySet(random)}`
  if (kind === 7) return random.pick([`MODSEQ ${number(random)}`, anySet(random), `EMAILID ${text(random)}`])
  if (kind === 8) return `NOT ${searchKey(random)}`
  if (kind === 9) return `OR ${searchKey(random)} ${searchKey(random)}`
  return `(${some(searchKey, 3)(random)})`
}
const searchReturn = oneOf(
  '',
  'RETURN () ',
  'RETURN (MIN MAX) ',
  'RETURN (SAVE) ',
  'RETURN (COUNT ALL) ',
  'RETURN (PARTIAL 1:5) ',
)
const charset = oneOf('', 'CHARSET UTF-8 ', 'CHARSET gb2312 ', 'CHARSET x ')
const statusItems = some(
  oneOf('MESSAGES', 'UIDNEXT', 'UIDVALIDITY', 'UNSEEN', 'SIZE', 'HIGHESTMODSEQ', 'MAILBOXID', 'X'),
  5,
)
const program: Make = (random) => `${charset(random)}${some(searchKey, 4)(random)}`

const imapCommands: readonly Make[] = [
  (random) =>
    random.pick([
      'NOOP',
      'CAPABILITY',
      'CHECK',
      'NAMESPACE',
      'EXPUNGE',
      'CLOSE',
      'UNSELECT',
      'LOGOUT',
      'STARTTLS',
      'IDLE\r\nDONE',
      'UNAUTHENTICATE',
    ]),
  (random) => `LOGIN ${text(random)} ${text(random)}`,
  (random) =>
    `AUTHENTICATE ${random.pick(['PLAIN', 'LOGIN', 'SCRAM-SHA-256', 'X'])} ${random.pick(['=', 'AAAA', 'biwsbj1hLHI9Yg==', '*'])}`,
  (random) => `ENABLE ${some(oneOf('CONDSTORE', 'QRESYNC', 'UTF8=ACCEPT', 'IMAP4rev2', 'X'), 3)(random)}`,
  (random) => `ID ${random.pick(['NIL', '()', `(${text(random)} ${text(random)})`])}`,
  (random) =>
    `${random.pick(['SELECT', 'EXAMINE'])} ${mailbox(random)}${random.pick(['', ' (CONDSTORE)', ` (QRESYNC (${number(random)} ${number(random)} ${anySet(random)}))`, ` (QRESYNC (1 1 1:9 (${set(random)} ${set(random)})))`])}`,
  (random) =>
    `${random.pick(['CREATE', 'DELETE', 'SUBSCRIBE', 'UNSUBSCRIBE', 'GETQUOTAROOT', 'GETACL', 'MYRIGHTS'])} ${mailbox(random)}`,
  (random) => `CREATE ${mailbox(random)} (USE (${some(flag, 2)(random)}))`,
  (random) => `RENAME ${mailbox(random)} ${mailbox(random)}`,
  (random) => `${random.pick(['LIST', 'LSUB'])} ${mailbox(random)} ${mailbox(random)}`,
  (random) =>
    `LIST (${random.pick(['', 'SUBSCRIBED', 'REMOTE', 'RECURSIVEMATCH SUBSCRIBED', 'SPECIAL-USE'])}) "" (${some(mailbox, 3)(random)}) RETURN (${random.pick(['', 'CHILDREN', `STATUS (${statusItems(random)})`])})`,
  (random) => `STATUS ${mailbox(random)} (${statusItems(random)})`,
  (random) =>
    `APPEND ${mailbox(random)} ${some((it) => `${random.pick(['', `${flags(it)} `])}${random.pick(['', `${dateTime(it)} `])}${literal(it)}`, 3)(random)}`,
  (random) => `APPEND INBOX CATENATE (TEXT ${literal(random)} URL ${text(random)})`,
  (random) =>
    `${random.pick(['', 'UID '])}FETCH ${anySet(random)} ${fetchItems(random)}${random.pick(['', '', ` (CHANGEDSINCE ${number(random)})`, ` (CHANGEDSINCE ${number(random)} VANISHED)`, ' (PARTIAL 1:3)'])}`,
  (random) =>
    `${random.pick(['', 'UID '])}STORE ${anySet(random)} ${random.pick(['', `(UNCHANGEDSINCE ${number(random)}) `])}${random.pick(['', '+', '-'])}FLAGS${random.pick(['', '.SILENT'])} ${flags(random)}`,
  (random) => `${random.pick(['', 'UID '])}${random.pick(['COPY', 'MOVE'])} ${anySet(random)} ${mailbox(random)}`,
  (random) => `UID EXPUNGE ${anySet(random)}`,
  (random) => `${random.pick(['', 'UID '])}SEARCH ${searchReturn(random)}${program(random)}`,
  (random) =>
    `${random.pick(['', 'UID '])}SORT (${some(oneOf('ARRIVAL', 'CC', 'DATE', 'FROM', 'REVERSE', 'SIZE', 'SUBJECT', 'TO'), 3)(random)}) UTF-8 ${program(random)}`,
  (random) =>
    `${random.pick(['', 'UID '])}THREAD ${random.pick(['REFERENCES', 'ORDEREDSUBJECT', 'X'])} UTF-8 ${program(random)}`,
  (random) =>
    `NOTIFY ${random.pick(['NONE', `SET (selected (MessageNew (${fetchItem(random)}) MessageExpunge))`, `SET STATUS (subtree ${mailbox(random)} (FlagChange))`])}`,
  (random) =>
    `${random.pick(['SETACL', 'DELETEACL', 'LISTRIGHTS', 'GETMETADATA', 'SETMETADATA', 'SETQUOTA', 'GETQUOTA'])} ${some(text, 3)(random)}`,
  (random) => `${random.pick(['', 'UID '])}REPLACE ${number(random)} ${mailbox(random)} ${literal(random)}`,
  (random) =>
    `ESEARCH IN (${random.pick(['personal', 'selected', `subtree (${mailbox(random)})`])}) ${program(random)}`,
]

const pop3Arguments: Make = some(oneOf('1', '2', '0', '-1', '99999999999', 'a', '\xe9', 'x'.repeat(300)), 3)
const pop3Commands: readonly Make[] = [
  (random) => random.pick(['STAT', 'LIST', 'UIDL', 'NOOP', 'RSET', 'CAPA', 'LANG', 'LANG en', 'UTF8', 'STLS', 'QUIT']),
  (random) =>
    `${random.pick(['LIST', 'UIDL', 'RETR', 'DELE', 'TOP', 'AUTH', 'APOP', 'USER', 'PASS', 'XTND'])} ${pop3Arguments(random)}`,
  (random) => `TOP ${number(random)} ${number(random)}`,
  (random) => `AUTH ${random.pick(['PLAIN', 'LOGIN', 'SCRAM-SHA-256', 'X'])} ${random.pick(['=', 'AAAA', '*'])}`,
]

/** Commands with tags `f0`, `f1` and so on; damaged here and there. */
export function fuzzImap(random: SeededRandom, commands: number): Buffer {
  const pieces = Array.from({ length: commands }, (_, at) => {
    const command = Buffer.from(`f${at} ${random.pick(imapCommands)(random)}\r\n`, 'latin1')
    return random.chance(0.35) ? damaged(random, command) : command
  })
  return Buffer.concat(pieces)
}

export function fuzzPop3(random: SeededRandom, commands: number): Buffer {
  const pieces = Array.from({ length: commands }, () => {
    const command = Buffer.from(`${random.pick(pop3Commands)(random)}\r\n`, 'latin1')
    return random.chance(0.35) ? damaged(random, command) : command
  })
  return Buffer.concat(pieces)
}

const nasty = [
  '\r\n',
  '\n',
  '\r',
  '\0',
  '{',
  '}',
  '{5+}\r\n',
  '(',
  ')',
  '"',
  '\\',
  '*',
  '%',
  ' ',
  '  ',
  '\xff',
  '\x80',
  '&',
  '(('.repeat(200),
  '{999999999}',
  'x'.repeat(5000),
]

/** One to four small misfortunes: bytes changed, lost, doubled, or put in. */
export function damaged(random: SeededRandom, bytes: Buffer): Buffer {
  let damagedBytes = Buffer.from(bytes)
  for (let times = random.between(1, 4); times > 0; times--) {
    const at = random.integer(damagedBytes.length + 1)
    const to = Math.min(damagedBytes.length, at + random.between(1, 20))
    const [before, part, after] = [
      damagedBytes.subarray(0, at),
      damagedBytes.subarray(at, to),
      damagedBytes.subarray(to),
    ]
    const kind = random.integer(5)
    if (kind === 0) damagedBytes = Buffer.concat([before, after])
    else if (kind === 1) damagedBytes = Buffer.concat([before, part, part, after])
    else if (kind === 2) damagedBytes = Buffer.concat([before, Buffer.from(random.pick(nasty), 'latin1'), part, after])
    else if (kind === 3) damagedBytes = Buffer.concat([before, random.bytes(part.length), after])
    else damagedBytes = Buffer.concat([before, Buffer.from(random.pick(nasty), 'latin1'), after])
  }
  return damagedBytes
}

/** The same bytes in pieces: one, a few, or every byte alone. */
export function chunked(random: SeededRandom, bytes: Buffer): Buffer[] {
  const most = random.pick([1, 3, 50, 2000, bytes.length])
  const chunks: Buffer[] = []
  for (let at = 0; at < bytes.length;) {
    const size = Math.max(1, random.between(1, Math.max(1, most)))
    chunks.push(bytes.subarray(at, at + size))
    at += size
  }
  return chunks
}
