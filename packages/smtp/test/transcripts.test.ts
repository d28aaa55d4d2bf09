// Runs every golden session of transcripts/, each against a server of its own. The part of the file's name before the
// first dash is the role of the port.
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { test } from 'node:test'
import { SkeinError } from '@skein/runtime'
import { runTranscript, scramSteps, tcpConnect } from '@skein/testkit'
import type { SmtpRole } from '../src/house.ts'
import { password, startServer } from './server-fixture.ts'

const folder = new URL('transcripts/', import.meta.url)
const plain = (text: string) => Buffer.from(text).toString('base64')

/** Errors that the intake gives for a letter with a line `X-Fail: <name>`. */
const failures: Record<string, unknown> = {
  loop: new SkeinError('mail-loop', 'permanent', 'too many hops'),
  full: new SkeinError('disk-full', 'temporary', 'no room'),
  large: new SkeinError('message-too-large', 'refused', 'too large'),
  refused: new SkeinError('no-thanks', 'refused', 'we do not want this'),
  permanent: new SkeinError('never', 'permanent', 'this can not be'),
  temporary: new SkeinError('later', 'temporary', 'come back later'),
  unknown: new TypeError('x is not a function'),
}

for (const name of readdirSync(folder).filter((file) => file.endsWith('.txt'))) {
  test(name, async () => {
    const role = name.split('-', 1)[0] as SmtpRole
    await using there = await startServer(role, {
      badCommandsMax: 8,
      recipientsMax: 3,
      messageBytesMax: 10_000,
      drainBytesMax: 50_000,
      authFailuresMax: 3,
      solicitationsRefused: ['net.example:ADV', 'org.example:ADV:ADLT'],
      ...(name.includes('xclient') && { xclientAddresses: ['127.0.0.1'], xforwardAddresses: ['127.0.0.0/8'] }),
      ...(name.includes('stranger') && { trustedAddresses: [] }),
    })
    there.intake.beforeFinish = (bytes) => {
      const failure = failures[/^X-Fail: (\w+)/m.exec(bytes.toString('latin1'))?.[1] ?? '']
      if (failure) throw failure
    }
    await runTranscript(
      new URL(name, folder).pathname,
      tcpConnect(there.port, { implicitTls: role === 'submissions' }),
      {
        values: {
          plain: plain(`\0aaa@test.example\0${password}`),
          wrong: plain('\0aaa@test.example\0wrong'),
          unknown: plain(`\0bbb@test.example\0${password}`),
          forAnother: plain(`root\0aaa@test.example\0${password}`),
          throttled: plain(`\0throttled\0x`),
          away: plain(`\0away\0x`),
          broken: plain(`\0broken\0x`),
          user64: plain('aaa@test.example'),
          password64: plain(password),
        },
        steps: {
          ...scramSteps(),
          /** Compares the letters that were taken. */
          taken(_context, count = '0') {
            assert.equal(there.intake.letters.length, Number(count))
          },
          /** More bytes than are taken, in two chunks and a third. */
          async large(context) {
            const client = await context.connection('C')
            client.write(Buffer.from('MAIL FROM:<>\r\nRCPT TO:<a@test.example>\r\n'))
            for (const chunk of ['BDAT 9000', 'BDAT 9000', 'BDAT 9000 LAST']) {
              client.write(Buffer.from(`${chunk}\r\n${'QUIT\r\n'.repeat(1500)}`))
            }
          },
          /** `@moment N property seconds`: so many seconds from when letter N was begun, give or take two. */
          moment(_context, number = '1', property = '', seconds = '0') {
            const { options, receivedMs } = there.intake.letters[Number(number) - 1]?.envelope ?? {}
            const atMs = property === 'holdUntilMs' ? options?.holdUntilMs : options?.deliverBy?.atMs
            assert.ok(Math.abs((atMs ?? 0) - (receivedMs ?? 0) - Number(seconds) * 1000) < 2000)
          },
          /** `@letter N property value`: what the intake was told of letter N. */
          letter(_context, number = '1', property = '', value = '') {
            const letter = there.intake.letters[Number(number) - 1]
            assert.ok(letter)
            const { envelope, bytes } = letter
            const { source } = envelope
            const told: Record<string, unknown> = { ...envelope, ...source, recipients: envelope.recipients.join(',') }
            for (const [key, of] of Object.entries(envelope.options?.deliverBy ?? {})) told[`deliverBy.${key}`] = of
            for (const key of ['options', 'recipientOptions']) told[key] &&= JSON.stringify(told[key])
            told['account'] = source.account?.address ?? '-'
            told['bytes'] = JSON.stringify(bytes.toString('latin1')).replaceAll(' ', '_')
            assert.equal(String(told[property]), value)
          },
        },
      },
    )
    assert.equal(there.intake.open(), 0)
  })
}
