// Other mail systems, as one scripted SMTP server on a loopback address of its own: keeps what it is sent, and answers RCPT and
// the end of the message as the test says.
import { type Server, type Socket, createServer } from 'node:net'
import { loopbackAddress } from './addresses.ts'

export interface SentLetter {
  from: string
  to: string[]
  text: string
}

export class OutsideWorld {
  readonly letters: SentLetter[] = []
  /** A reply to RCPT for that address, instead of 250. */
  onRecipient: (address: string) => string | undefined = () => undefined
  /** Before 250 is said for a letter; a text is said instead. */
  onLetter: (letter: SentLetter) => Promise<string | undefined> = async () => undefined
  readonly address: string
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  private constructor(address: string) {
    this.address = address
    this.#server = createServer((socket) => this.#serve(socket))
  }

  static async open(): Promise<OutsideWorld> {
    const world = new OutsideWorld(await loopbackAddress())
    await new Promise<void>((resolve) => world.#server.listen(0, world.address, resolve))
    return world
  }

  /** `host:port`, for `[outside.routes]`. */
  get route(): string {
    const bound = this.#server.address()
    return `${this.address}:${typeof bound === 'object' ? bound?.port : 0}`
  }

  to(address: string): SentLetter[] {
    return this.letters.filter(({ to }) => to.includes(address))
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('close', () => this.#sockets.delete(socket)).on('error', () => {})
    const say = (line: string) => void socket.write(`${line}\r\n`)
    let letter: SentLetter = { from: '', to: [], text: '' }
    let body: string[] | undefined
    let buffered = ''
    let turn = Promise.resolve()
    const line = async (text: string): Promise<void> => {
      if (body) {
        if (text !== '.') return void body.push(text.startsWith('.') ? text.slice(1) : text)
        letter.text = `${body.join('\r\n')}\r\n`
        body = undefined
        const said = await this.onLetter(letter)
        if (said === undefined) this.letters.push(letter)
        return say(said ?? '250 2.0.0 kept')
      }
      const path = /<(.*?)>/.exec(text)?.[1] ?? ''
      if (/^EHLO/i.test(text)) return say('250-outside.example\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES')
      if (/^MAIL/i.test(text)) letter = { from: path, to: [], text: '' }
      else if (/^RCPT/i.test(text)) {
        const refusal = this.onRecipient(path)
        if (refusal !== undefined) return say(refusal)
        letter.to.push(path)
      } else if (/^DATA/i.test(text)) {
        if (letter.to.length === 0) return say('554 5.5.1 no recipients')
        body = []
        return say('354 go on')
      } else if (/^QUIT/i.test(text)) return void socket.end('221 2.0.0 bye\r\n')
      return say('250 2.0.0 ok')
    }
    say('220 outside.example ESMTP')
    socket.on('data', (chunk) => {
      buffered += chunk.toString('latin1')
      const lines = buffered.split('\r\n')
      buffered = lines.pop() ?? ''
      for (const text of lines) turn = turn.then(() => line(text))
    })
  }
}
