// The world outside, for the bench: mail servers at several addresses that take every letter, count it, and cost next to nothing.
import { type Server, type Socket, createServer } from 'node:net'

const hello = Buffer.from(
  '250-sink.bench.test\r\n250-PIPELINING\r\n250-SIZE 104857600\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n',
)
const ok = '250 2.0.0 ok\r\n'
const endMark = Buffer.from('\r\n.\r\n')
const idMark = Buffer.from('\r\nMessage-ID: <', 'latin1')
const idMarkLowerCase = Buffer.from('\r\nMessage-Id: <', 'latin1')

export interface Sink {
  /** Message-IDs of the letters taken. */
  readonly letters: Set<string>
  /** Letters taken, those that came twice included. */
  taken(): number
  connections(): number
  close(): void
}

export async function startSink(addresses: readonly string[], port: number): Promise<Sink> {
  const letters = new Set<string>()
  const sockets = new Set<Socket>()
  let taken = 0
  let connections = 0
  const servers = await Promise.all(
    addresses.map((address) => {
      const server = createServer({ noDelay: true }, (socket) => {
        connections += 1
        sockets.add(socket)
        socket.on('close', () => sockets.delete(socket))
        serve(socket, (id) => {
          taken += 1
          letters.add(id)
        })
      })
      return new Promise<Server>((resolve, reject) => {
        server.once('error', reject)
        server.listen(port, address, 511, () => resolve(server))
      })
    }),
  )
  return {
    letters,
    taken: () => taken,
    connections: () => connections,
    close() {
      for (const socket of sockets) socket.destroy()
      for (const server of servers) server.close()
    },
  }
}

function serve(socket: Socket, onLetter: (id: string) => void): void {
  let inData = false
  let commands = ''
  /** Of the letter so far: its id, once its header came by, and its last bytes, which may hold half of the end. */
  let id = ''
  let tail: Buffer = Buffer.alloc(0)
  socket.on('error', () => socket.destroy())
  socket.write('220 sink.bench.test\r\n')
  socket.on('data', (chunk: Buffer) => {
    let rest: Buffer | null = chunk
    while (rest) rest = inData ? data(rest) : command(rest)
  })

  function data(chunk: Buffer): Buffer | null {
    const joined = tail.length > 0 ? Buffer.concat([tail, chunk]) : chunk
    if (id === '') id = idIn(joined)
    const end = joined.indexOf(endMark)
    if (end < 0) {
      // Until the id is found everything is kept; then only what may be the start of the end.
      tail = id === '' ? joined : joined.subarray(-(endMark.length - 1))
      return null
    }
    onLetter(id)
    inData = false
    id = ''
    tail = Buffer.alloc(0)
    socket.write(ok)
    return end + endMark.length < joined.length ? joined.subarray(end + endMark.length) : null
  }

  function command(chunk: Buffer): Buffer | null {
    commands += chunk.toString('latin1')
    let replies = ''
    for (let end = commands.indexOf('\n'); end >= 0; end = commands.indexOf('\n')) {
      const verb = commands.slice(0, 4).toUpperCase()
      commands = commands.slice(end + 1)
      if (verb === 'EHLO') {
        socket.write(hello)
      } else if (verb === 'DATA') {
        inData = true
        tail = Buffer.from('\r\n')
        socket.write(`${replies}354 go on\r\n`)
        const behind = commands
        commands = ''
        return behind === '' ? null : Buffer.from(behind, 'latin1')
      } else if (verb === 'QUIT') {
        socket.end(`${replies}221 2.0.0 bye\r\n`)
        return null
      } else {
        replies += ok
      }
    }
    if (replies !== '') socket.write(replies)
    return null
  }
}

function idIn(bytes: Buffer): string {
  let at = bytes.indexOf(idMark)
  if (at < 0) at = bytes.indexOf(idMarkLowerCase)
  if (at < 0) return ''
  const from = at + idMark.length
  const to = bytes.indexOf('>', from)
  return to < 0 ? '' : bytes.toString('latin1', from, to)
}
