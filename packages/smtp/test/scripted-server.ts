// Another mail server, as a test wants it: answers each line by a function, and remembers what it was sent.
import { type AddressInfo, type Server, type Socket, createServer } from 'node:net'

export interface ScriptedServer extends AsyncDisposable {
  port: number
  lines: string[]
  /** Messages as sent, with dots doubled, without the final dot. */
  messages: string[]
  connections: number
}

/** What to say to a line, or to the end of a message (`'.'`); null closes the connection, '' says nothing. */
export type Answer = (line: string, server: ScriptedServer) => string | null

const ehlo = '250-there\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SIZE 1000000\r\n250 SMTPUTF8'

/** Answers like any server does. */
export const willing: Answer = (line) => {
  if (line === '') return '220 there ESMTP'
  if (line.startsWith('EHLO')) return ehlo
  if (line === 'DATA') return '354 go on'
  return line === 'QUIT' ? '221 2.0.0 bye' : '250 2.0.0 ok'
}

/** Answers differently to lines that begin with a word of `changes`. */
export function except(changes: Record<string, string | null>): Answer {
  return (line, server) => {
    for (const [start, answer] of Object.entries(changes)) {
      if (start === line || (start !== '' && line.startsWith(start))) return answer
    }
    return willing(line, server)
  }
}

export async function startScripted(
  answer: Answer,
  options: { host?: string; port?: number } = {},
): Promise<ScriptedServer> {
  const sockets = new Set<Socket>()
  let inMessage = false
  const server: Server = createServer((socket) => {
    sockets.add(socket)
    scripted.connections += 1
    let buffer = ''
    const say = (line: string) => {
      const text = answer(line, scripted)
      if (text === null) socket.destroy()
      else if (text !== '') socket.write(`${text}\r\n`)
      return text
    }
    say('')
    socket.on('error', () => {})
    socket.on('close', () => {
      sockets.delete(socket)
      inMessage = false
    })
    socket.on('data', (chunk) => {
      buffer += chunk.toString('latin1')
      for (;;) {
        const end = inMessage ? /(^|\r\n)\.\r\n/.exec(buffer) : /\r\n/.exec(buffer)
        if (!end) return
        const taken = buffer.slice(0, end.index + (inMessage ? (end[1] ?? '').length : 0))
        buffer = buffer.slice(end.index + end[0].length)
        if (inMessage) {
          inMessage = false
          scripted.messages.push(taken)
          say('.')
        } else {
          scripted.lines.push(taken)
          inMessage = say(taken)?.startsWith('354') ?? false
        }
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(options.port ?? 0, options.host ?? '127.0.0.1', resolve))
  const scripted: ScriptedServer = {
    port: (server.address() as AddressInfo).port,
    lines: [],
    messages: [],
    connections: 0,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return scripted
}
