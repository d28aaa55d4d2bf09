// Runs every golden session of transcripts/, each against a server of its own with the same three messages.
import { readdirSync } from 'node:fs'
import { test } from 'node:test'
import { runTranscript, scramSteps, tcpConnect } from '@skein/testkit'
import { password, startServer } from './server-fixture.ts'

const folder = new URL('transcripts/', import.meta.url)

export const threeMessages = [
  'Subject: one\r\n\r\nfirst\r\n',
  'Subject: two\r\nX: y\r\n\r\nline 1\r\n.\r\n..dots\r\nline 4\r\n',
  'Subject: three\r\n\r\nno line end',
]

for (const name of readdirSync(folder).filter((file) => file.endsWith('.txt'))) {
  test(name, async () => {
    await using there = await startServer(threeMessages, { badCommandsMax: 5 })
    await runTranscript(new URL(name, folder).pathname, tcpConnect(there.port), {
      values: { user: 'aaa@test.example', password },
      steps: {
        ...scramSteps(),
        deliver: (_context, subject = '') => there.deliver(`Subject: ${subject}\r\n\r\nx\r\n`),
        'deliver-utf8': () =>
          there.deliver(
            Buffer.from(
              'Subject: 雁字回时\r\nFrom: 曹雪芹 <曹@红楼.example>\r\nTo: 脂砚 <b@中国.example>\r\nReceived: from 石头\r\n' +
                'Content-Type: text/plain; charset=utf-8; name="信.txt"\r\n\r\n月满西楼\r\n',
            ),
          ),
        /** Waits until the server has seen that a connection is gone. */
        released: async () => {
          const deadline = performance.now() + 5_000
          while (there.server.connections() > 1) {
            if (performance.now() > deadline) throw new Error('the broken connection is still counted')
            await new Promise((resolve) => setImmediate(resolve))
          }
        },
      },
    })
  })
}
