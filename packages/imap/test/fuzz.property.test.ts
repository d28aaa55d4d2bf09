// Half-right commands and random bytes against a whole server: every command gets its tagged answer, nothing is logged
// as a failure of ours, and other connections never notice.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { silentLogger } from '@skein/runtime'
import type { Logger } from '@skein/runtime'
import { TestClient } from './client.ts'
import { startHarness } from './harness.ts'
import { letterNamed } from './letters.ts'

const words = [
  'FETCH|UID|STORE|SEARCH|LIST|STATUS|APPEND|COPY|MOVE|SELECT|INBOX|Trash|ENABLE|EXPUNGE|CHARSET|UTF-8|CONDSTORE|UNSELECT',
  '1|1:*|*|2,4|$|0|99|(|)|()|(FLAGS)|(UID BODY[])|BODY[1.2]<0.5>|ENVELOPE|ALL|BODYSTRUCTURE|HEADER|RFC822|MODSEQ|%|&',
  'RETURN|(SAVE)|(MIN MAX)|OR|NOT|TEXT|a|"a|"b"|SUBJECT|1-Jul-2026|SINCE|(UNCHANGEDSINCE 1)|(CHANGEDSINCE 1)',
  'REPLACE|CATENATE|(TEXT {3+}\r\nabc URL "/INBOX/;UID=1/;SECTION=1")|(URL ";UID=2")|UIDBATCHES|500|1:2|Drafts',
  'BINARY[1]|BINARY.SIZE[2]|BINARY.PEEK[]<1.9>|(PARTIAL -1:-2)|UIDONLY|IMAP4REV2|UIDAFTER|UIDBEFORE|UNAUTHENTICATE',
  '+FLAGS|FLAGS.SILENT|(\\Seen)|\\Seen|{3+}\r\nabc|~{3+}\r\na\0c|QRESYNC|(QRESYNC (1 1 1:5))|(MESSAGES)',
].flatMap((line) => line.split('|'))
const word = fc.constantFrom(...words)
const noise = fc.string({ unit: 'binary-ascii', maxLength: 12 }).map((text) => text.replaceAll(/[\r\n{]/g, ''))
const arbitraryCommand = fc
  .array(fc.oneof({ weight: 9, arbitrary: word }, { weight: 1, arbitrary: noise }), { minLength: 1, maxLength: 7 })
  .map((chosen) => chosen.join(' '))

test('half-right commands are answered, each by its tag', async () => {
  const failures: unknown[] = []
  const logger: Logger = { ...silentLogger, error: (fields) => void failures.push(fields), child: () => logger }
  await using harness = await startHarness({ logger, limits: { badCommandsMax: Number.MAX_SAFE_INTEGER } })
  for (const letter of ['plain', 'nested', 'chinese', 'eight-bit']) await harness.deliver('INBOX', letterNamed(letter))
  const run = async (command: string) => {
    await using client = await TestClient.selected(harness.port)
    const { status } = await client.run(command)
    assert.match(status, /^(OK|NO|BAD) /, `${command}: ${status}`)
    assert.doesNotMatch(status, /SERVERBUG/, command)
    assert.match((await client.run('NOOP')).status, /^OK/, command)
  }
  await fc.assert(fc.asyncProperty(arbitraryCommand, run), { numRuns: 300, endOnFailure: true })
  assert.deepEqual(failures, [])
})

test('random bytes end at the worst their own connection', async () => {
  const failures: unknown[] = []
  const logger: Logger = { ...silentLogger, error: (fields) => void failures.push(fields), child: () => logger }
  await using harness = await startHarness({ logger })
  await using witness = await TestClient.selected(harness.port)
  const pour = async (chunks: Uint8Array[]) => {
    await using client = await TestClient.open(harness.port)
    for (const chunk of chunks) client.socket.write(chunk)
    client.socket.end()
    while ((await client.response()) !== undefined) continue
    assert.match((await witness.run('NOOP')).status, /^OK/)
  }
  const chunks = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 8 })
  await fc.assert(fc.asyncProperty(chunks, pour), { numRuns: 100, endOnFailure: true })
  assert.deepEqual(failures, [])
})
