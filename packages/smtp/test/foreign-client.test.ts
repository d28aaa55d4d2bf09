// A client that is not ours, against the submission ports.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTransport } from 'nodemailer'
import { account, password, startServer } from './server-fixture.ts'

for (const [role, secure] of [
  ['submission', false],
  ['submissions', true],
] as const) {
  test(`nodemailer sends a letter with an attachment over ${role}, several on one connection`, async () => {
    await using there = await startServer(role)
    const transport = createTransport({
      host: '127.0.0.1',
      port: there.port,
      secure,
      requireTLS: !secure,
      pool: true,
      maxConnections: 1,
      auth: { user: account.address, pass: password },
      tls: { rejectUnauthorized: false },
    })
    const attachment = Buffer.from(Array.from({ length: 100_000 }, (_, i) => i % 256))
    for (let i = 1; i <= 3; i++) {
      const sent = await transport.sendMail({
        from: account.address,
        to: ['bbb@test.example', 'ccc@anywhere.example'],
        subject: '一封信',
        text: '.\r\n..\r\n你好',
        attachments: [{ filename: '表.bin', content: attachment }],
      })
      assert.match(sent.response, new RegExp(`^250 2\\.0\\.0 taken, queued as Q${i}$`))
    }
    transport.close()
    const [letter] = there.intake.letters
    assert.equal(there.intake.letters.length, 3)
    assert.deepEqual(letter?.envelope.recipients, ['bbb@test.example', 'ccc@anywhere.example'])
    assert.equal(letter.envelope.source.account?.address, account.address)
    assert.match(letter.envelope.source.protocol, /SMTPSA$/)
    assert.ok(letter.bytes.includes(attachment.toString('base64', 0, 57)))
  })
}
