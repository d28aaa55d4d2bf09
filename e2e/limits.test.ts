// Limits of connections and of patience: each is answered clearly, and others are served meanwhile.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { type Socket, connect } from 'node:net'
import { test } from 'node:test'
import { LineSocket } from './harness/line-socket.ts'
import { eventually, within } from './harness/poll.ts'
import { Pop3Client } from './harness/pop3-client.ts'
import { Pulse } from './harness/pulse.ts'
import { type SkeinNode, ports, startNode } from './harness/skein.ts'
import { Stage, imapOf, letter, password, submissionTo } from './harness/stage.ts'

const user = 'aaa@test.com'

/** A connection from the given address and the first line that it is told; '' where it is closed without one. */
function knock(host: string, port: number, from: string): Promise<{ socket: Socket; line: string }> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, localAddress: from })
    let text = ''
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1')
      if (text.includes('\n')) resolve({ socket, line: text.split('\r\n')[0] as string })
    })
    socket.on('close', () => resolve({ socket, line: text }))
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNRESET' || error.code === 'EPIPE') resolve({ socket, line: text })
      else reject(error)
    })
  })
}

test('limits of connections: a clear answer above them, service below', { timeout: 120_000 }, async (t) => {
  const stage = new Stage(t)
  const node = await startNode({
    name: 'small',
    users: { [user]: password },
    settings: {
      smtp: { 'connections-max': 30, 'connections-per-address-max': 10, trusted: [] },
      imap: { 'connections-max': 30, 'connections-per-address-max': 10 },
      pop3: { 'connections-max': 30, 'connections-per-address-max': 10 },
    },
  })
  stage.add(node)
  // POP3 counts clients of this machine only in all, not by their address.
  const doors = {
    SMTP: { port: ports.smtp, served: /^220 /, full: /^421 /, loopbackCounts: true },
    IMAP: { port: ports.imap, served: /^\* OK/, full: /^\* BYE/, loopbackCounts: true },
    POP3: { port: ports.pop3, served: /^\+OK/, full: /^-ERR/, loopbackCounts: false },
  }
  for (const [name, { port, served, full, loopbackCounts }] of Object.entries(doors)) {
    await stage.step(`${name}: ${loopbackCounts ? 'ten from one address, ' : ''}thirty in all`, async () => {
      const open: Socket[] = []
      const fill = async (from: string) => {
        const knocks = await Promise.all(Array.from({ length: 10 }, () => knock(node.address, port, from)))
        for (const { socket, line } of knocks) {
          assert.match(line, served)
          open.push(socket)
        }
      }
      try {
        await fill('127.0.0.11')
        if (loopbackCounts) {
          const eleventh = await knock(node.address, port, '127.0.0.11')
          assert.match(eleventh.line, full)
          eleventh.socket.destroy()
        }
        await fill('127.0.0.12')
        await fill('127.0.0.13')
        const above = await knock(node.address, port, '127.0.0.14')
        assert.match(above.line, full)
        above.socket.destroy()
      } finally {
        for (const socket of open) socket.destroy()
      }
      await eventually(
        async () => {
          const { socket, line } = await knock(node.address, port, '127.0.0.11')
          socket.destroy()
          return served.test(line)
        },
        { what: 'service again once others have gone' },
      )
    })
  }
})

/** The default limit: as many as this in all, for each of SMTP, IMAP and POP3. */
const crowdSize = 10_000

/** False where this process and the node may each hold that many sockets. */
function crowdTooBig(): string | false {
  const most = execFileSync('sh', ['-c', 'ulimit -Hn'], { encoding: 'utf8' }).trim()
  return most !== 'unlimited' && Number(most) < crowdSize + 500 && `needs ${crowdSize + 500} open files, has ${most}`
}

test(
  '10,000 connections: served up to there, refused clearly above',
  { timeout: 180_000, skip: crowdTooBig() },
  async (t) => {
    const stage = new Stage(t)
    const node = await startNode({ name: 'crowded', users: { [user]: password } })
    stage.add(node)
    const crowd: Socket[] = []
    stage.cleanup(() => {
      for (const socket of crowd) socket.destroy()
    })
    const grow = async (wanted: number) => {
      while (crowd.length < wanted) {
        const wave = Array.from({ length: Math.min(100, wanted - crowd.length) }, (_, index) =>
          knock(node.address, ports.imap, `127.0.1.${1 + Math.floor((crowd.length + index) / 400)}`),
        )
        for (const { socket, line } of await within(Promise.all(wave), 30_000, 'greetings')) {
          assert.match(line, /^\* OK/)
          crowd.push(socket)
        }
      }
    }

    await stage.step('all but ten are greeted, and a user sends and reads as always', async () => {
      await grow(crowdSize - 10)
      const started = performance.now()
      await using sender = await submissionTo(node, user)
      const reply = await sender.send(user, [user], letter(user, user, 'through the crowd').text)
      assert.equal(reply.code, 250, reply.text)
      await using reader = await imapOf(node, user)
      await eventually(async () => (await reader.count('INBOX')) === 1, { what: 'the letter' })
      const took = performance.now() - started
      assert.ok(took < 20_000, `took ${took} ms`)
      await reader.logout()
    })

    await stage.step('the one above the limit is told so; mail still comes in, and goes out by POP3', async () => {
      // The reader of the step before may still be leaving: knock until the house is full.
      await eventually(
        async () => {
          const { socket, line } = await knock(node.address, ports.imap, '127.0.2.1')
          if (line.startsWith('* OK')) crowd.push(socket)
          return crowd.length === crowdSize
        },
        { what: `${crowdSize} connections`, everyMs: 5 },
      )
      const above = await knock(node.address, ports.imap, '127.0.2.2')
      above.socket.destroy()
      assert.match(above.line, /^\* BYE/)
      await using sender = await submissionTo(node, user)
      assert.equal((await sender.send(user, [user], letter(user, user, 'and another').text)).code, 250)
      await using reader = await Pop3Client.login({ host: node.address, port: ports.pop3 }, user, password)
      assert.match(String(await reader.count()), /^[12]$/)
      t.diagnostic(`${crowd.length} connections: ${Math.round((await memoryOf(node)) / 1024 / 1024)} MiB`)
    })

    await stage.step('and the node stops within 10 s with all of them open', async () => {
      const started = performance.now()
      assert.equal((await node.stop())?.code, 0)
      assert.ok(performance.now() - started < 10_000)
    })
  },
)

async function memoryOf(node: SkeinNode): Promise<number> {
  return (await node.ask<{ memoryBytes: number }>('status')).memoryBytes
}

test('slow clients are let go after their time, others are served', { timeout: 120_000 }, async (t) => {
  const stage = new Stage(t)
  const node = await startNode({
    name: 'patient',
    users: { [user]: password },
    settings: { smtp: { 'command-timeout-seconds': 2 } },
  })
  stage.add(node)
  const pulse = await Pulse.start(node, user)

  await stage.step('SMTP: silent, half a command at once or later: 421 and closed', async () => {
    const beginnings = ['', 'EHL', 'EHLO slow.test\r\nMAIL FR']
    await Promise.all(
      beginnings.map(async (beginning) => {
        await using link = await LineSocket.connect({ host: node.address, port: ports.smtp })
        const started = performance.now()
        link.write(beginning)
        const said = (await link.toTheEnd(20_000)).toString('latin1')
        assert.match(said, /^421 /m, JSON.stringify(beginning))
        assert.ok(performance.now() - started > 1_500, 'not before its time')
      }),
    )
  })

  await stage.step('a client that sends its message a byte at a time hinders nobody', async () => {
    await using link = await LineSocket.connect({ host: node.address, port: ports.smtp })
    link.write(`EHLO slow.test\r\nMAIL FROM:<a@elsewhere.test>\r\nRCPT TO:<${user}>\r\nDATA\r\n`)
    await link.until('354 ')
    await link.line()
    for (const byte of 'Subject: drip\r\n\r\ndrip\r\n.\r\n') {
      await link.writeAll(byte)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    assert.match(await link.line(), /^250 /)
  })

  await stage.step('a reader that never reads its answers is not allowed to fill the memory', async () => {
    await using client = await imapOf(node, user)
    const big = letter(user, user, 'big', 'z'.repeat(76).concat('\r\n').repeat(13_000)).text
    await client.must('APPEND Archive', [Buffer.from(big)])
    await client.select('Archive')
    const before = await memoryOf(node)
    client.link.socket.pause()
    // 200 MB of answers asked for, none taken.
    client.link.write(Array.from({ length: 200 }, (_, index) => `z${index} FETCH 1 BODY.PEEK[]\r\n`).join(''))
    await new Promise((resolve) => setTimeout(resolve, 1_500))
    const after = await memoryOf(node)
    assert.ok(after - before < 100 * 1024 * 1024, `grew by ${Math.round((after - before) / 1024 / 1024)} MiB`)
  })

  await stage.step('the user beside them was served all the time', async () => {
    const { beats, longestMs, failures } = await pulse.stop()
    assert.deepEqual(failures, [])
    assert.ok(beats > 10, `${beats} beats`)
    assert.ok(longestMs < 20_000, `longest ${longestMs} ms`)
  })
})
