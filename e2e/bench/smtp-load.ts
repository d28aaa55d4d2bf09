// A cheap SMTP/LMTP sender: messages built once, commands pipelined, replies counted by their first digit and not parsed further.
import { type Socket, connect } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { Endpoint } from './job.ts'

export interface LoadSession {
  protocol: 'smtp' | 'lmtp'
  endpoint: Endpoint
  recipient: string | (() => string)
  /** Body from after the Message-ID line to the end mark, already dot-stuffed. */
  rest: Buffer
  oneLetterASession: boolean
  /** Submission: STARTTLS and AUTH PLAIN first, and letters from this address. */
  login?: { address: string; password: string }
  /** Log in without STARTTLS. */
  clearText?: boolean
  /** A Message-ID never used before. */
  nextMessageId(): string
  /** Asked before each letter; false ends the session. */
  wantsMore(): boolean
  /** For each letter taken, with its milliseconds from MAIL to 250. */
  taken(latencyMs: number): void
  refused(reply: string): void
  /** Awaited after the log-in, before the first letter. */
  beforeFirst?(): Promise<void>
  /** Awaited after each letter, before the next. */
  beforeNext?(): Promise<void>
}

/** A letter of about `bytes` bytes without its Message-ID line: text in lines of 76, no line begins with a dot. */
export function letterRest(bytes: number): Buffer {
  const head = [
    'Date: Mon, 23 Nov 2026 08:00:00 +0000',
    'From: Load <load@bench.example>',
    'To: Bench <bench@bench.test>',
    'Subject: a letter of the bench',
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=utf-8',
    '',
    '',
  ].join('\r\n')
  const line = 'The wild goose carries the mail over the river and the plain, to whom it is.'
  const lines = Math.max(1, Math.round((bytes - head.length - 60) / (line.length + 2)))
  return Buffer.from(`${head}${`${line}\r\n`.repeat(lines)}.\r\n`)
}

type Stage = 'greeting' | 'hello' | 'starttls' | 'hello-secured' | 'auth' | 'envelope' | 'message' | 'quit'

/** Runs one session to its end; reconnects for each letter where it is told to. Rejects when the server breaks the talk. */
export function runLoadSession(session: LoadSession): Promise<void> {
  return new Promise((resolve, reject) => {
    const one = () => {
      if (!session.wantsMore()) {
        resolve()
        return
      }
      runConnection(session).then(session.oneLetterASession ? one : resolve, reject)
    }
    one()
  })
}

function runConnection(session: LoadSession): Promise<void> {
  let socket: Socket = connect(session.endpoint)
  socket.setNoDelay(true)
  const hello = session.protocol === 'lmtp' ? 'LHLO load.bench.test\r\n' : 'EHLO load.bench.test\r\n'
  const sender = session.login?.address ?? 'load@bench.example'
  const { recipient } = session
  const nextRecipient = typeof recipient === 'string' ? () => recipient : recipient
  let stage: Stage = 'greeting'
  let replies = 0
  let rest = ''
  let started = 0
  let refusal = ''
  return new Promise((resolve, reject) => {
    const fail = (why: string) => {
      socket.destroy()
      reject(new Error(`${session.endpoint.host}:${session.endpoint.port}: ${why}`))
    }
    const begin = () => {
      if (!session.wantsMore()) {
        stage = 'quit'
        socket.write('QUIT\r\n')
        return
      }
      stage = 'envelope'
      replies = 0
      refusal = ''
      started = performance.now()
      socket.write(`MAIL FROM:<${sender}>\r\nRCPT TO:<${nextRecipient()}>\r\nDATA\r\n`)
    }
    const logIn = ({ address, password }: NonNullable<LoadSession['login']>) => {
      stage = 'auth'
      socket.write(`AUTH PLAIN ${Buffer.from(`\0${address}\0${password}`).toString('base64')}\r\n`)
    }
    const onReply = (reply: string) => {
      const good = reply[0] === '2' || reply[0] === '3'
      if (stage === 'greeting') {
        if (!good) return fail(reply)
        stage = 'hello'
        socket.write(hello)
      } else if (stage === 'hello') {
        if (!good) return fail(reply)
        if (!session.login) return begin()
        if (session.clearText) return logIn(session.login)
        stage = 'starttls'
        socket.write('STARTTLS\r\n')
      } else if (stage === 'starttls') {
        if (!good) return fail(reply)
        socket.removeAllListeners()
        socket = connectTls({ socket, rejectUnauthorized: false, servername: 'localhost' }, () => {
          stage = 'hello-secured'
          socket.write(hello)
        })
        listen()
      } else if (stage === 'hello-secured') {
        logIn(session.login as NonNullable<LoadSession['login']>)
      } else if (stage === 'auth') {
        if (!good) return fail(reply)
        if (session.beforeFirst) session.beforeFirst().then(begin, () => undefined)
        else begin()
      } else if (stage === 'envelope') {
        if (!good && refusal === '') refusal = reply
        replies += 1
        if (replies < 3) return undefined
        if (!reply.startsWith('354')) return fail(refusal || reply)
        stage = 'message'
        socket.cork()
        socket.write(`Message-ID: <${session.nextMessageId()}>\r\n`)
        socket.write(session.rest)
        socket.uncork()
      } else if (stage === 'message') {
        if (good && refusal === '') session.taken(performance.now() - started)
        else session.refused(refusal || reply)
        if (session.oneLetterASession) {
          stage = 'quit'
          socket.write('QUIT\r\n')
        } else if (session.beforeNext) session.beforeNext().then(begin, () => undefined)
        else begin()
      } else {
        socket.end()
        resolve()
      }
      return undefined
    }
    const listen = () => {
      socket.on('data', (chunk: Buffer) => {
        rest += chunk.toString('latin1')
        for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n')) {
          const line = rest.slice(0, end)
          rest = rest.slice(end + 1)
          if (line[3] !== '-') onReply(line)
        }
      })
      socket.on('error', (error) => fail(error.message))
      socket.on('close', () => (stage === 'quit' ? resolve() : fail('the server closed the connection')))
    }
    listen()
  })
}
