// `node packages/mail/test/bench.ts`: how long `indexMessage` takes for messages of typical sizes.
import { indexMessage } from '../src/index.ts'

const trace =
  'Received: from a.example (a.example [192.0.2.1])\r\n\tby b.example with ESMTPS id abc\r\n\tfor <bbb@test.com>; Mon, 02 Jan 2006 15:04:05 +0000\r\n'
const top = [
  trace.repeat(3).trimEnd(),
  `DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=test.com; s=mail;\r\n\th=from:to:subject:date; bh=${'A'.repeat(44)};\r\n\tb=${'B'.repeat(172)}`,
  'From: "Alice Example" <aaa@test.com>',
  'To: Bob <bbb@test.com>, =?utf-8?B?5byg5LiJ?= <ccc@test.com>',
  'Cc: ddd@test.com',
  'Subject: =?utf-8?B?5L2g5aW977yM5LiW55WM?= hello',
  'Date: Mon, 02 Jan 2006 15:04:05 +0000',
  'Message-ID: <abc@test.com>',
  'References: <x@test.com> <z@test.com>',
  'In-Reply-To: <z@test.com>',
  'MIME-Version: 1.0',
].join('\r\n')

function plain(bytes: number): Buffer {
  const line = 'The quick brown fox jumps over the lazy dog and runs into the forest, yes.\r\n'
  const head = Buffer.from(`${top}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n`)
  return Buffer.concat([head, Buffer.alloc(Math.max(0, bytes - head.length), line)])
}

function mixed(bytes: number): Buffer {
  const head = Buffer.from(
    `${top}\r\nContent-Type: multipart/mixed; boundary="=_outer"\r\n\r\n--=_outer\r\n` +
      'Content-Type: multipart/alternative; boundary="=_inner"\r\n\r\n--=_inner\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n' +
      'hello 你好\r\n--=_inner\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n' +
      '<p>hello =E4=BD=A0=E5=A5=BD</p>\r\n--=_inner--\r\n--=_outer\r\nContent-Type: application/pdf; name="a.pdf"\r\n' +
      'Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename="a.pdf"\r\n\r\n',
  )
  const line = `${Buffer.alloc(57, 'abc').toString('base64')}\r\n`
  const end = Buffer.from('\r\n--=_outer--\r\n')
  return Buffer.concat([head, Buffer.alloc(Math.max(0, bytes - head.length - end.length), line), end])
}

const sizes: [string, number, number][] = [
  ['2 KB', 2 * 1024, 20_000],
  ['10 KB', 10 * 1024, 20_000],
  ['100 KB', 100 * 1024, 5000],
  ['40 MB', 40 * 1024 * 1024, 10],
]
for (const [label, bytes, rounds] of sizes) {
  for (const [kind, message] of [
    ['text', plain(bytes)],
    ['attachment', mixed(bytes)],
  ] as const) {
    for (let i = 0; i < Math.min(rounds, 3000); i += 1) indexMessage(message)
    const start = process.hrtime.bigint()
    for (let i = 0; i < rounds; i += 1) indexMessage(message)
    const each = Number(process.hrtime.bigint() - start) / 1000 / rounds
    console.log(`${label.padStart(6)} ${kind.padEnd(10)} ${each.toFixed(1).padStart(9)} µs`)
  }
}
