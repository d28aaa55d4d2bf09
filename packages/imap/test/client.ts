// A small IMAP client for tests: sends a command, collects what comes until its tagged answer.
import { createConnection } from 'node:net'
import type { Duplex } from 'node:stream'

export interface Answer {
  /** Untagged lines with their literals in place, without the last CRLF; byte strings. */
  untagged: string[]
  /** The tagged line without its tag. */
  status: string
}

export class TestClient implements AsyncDisposable {
  readonly socket: Duplex
  #buffered = ''
  #ended = false
  #wake: (() => void) | undefined
  #tags = 0

  constructor(socket: Duplex) {
    this.socket = socket
    socket.on('data', (chunk: Buffer) => {
      this.#buffered += chunk.toString('latin1')
      this.#wake?.()
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      this.#ended = true
      this.#wake?.()
    })
  }

  static async open(port: number): Promise<TestClient> {
    const socket = createConnection(port, '127.0.0.1')
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject))
    const client = new TestClient(socket)
    await client.response()
    return client
  }

  /** Logged in as aaa. */
  static async loggedIn(port: number): Promise<TestClient> {
    const client = await TestClient.open(port)
    await client.run('LOGIN aaa secret')
    return client
  }

  /** With the mailbox selected. */
  static async selected(port: number, mailbox = 'INBOX'): Promise<TestClient> {
    const client = await TestClient.loggedIn(port)
    await client.run(`SELECT ${mailbox}`)
    return client
  }

  get ended(): boolean {
    return this.#ended
  }

  /** Sends a command, a byte string without its tag and CRLF. */
  async run(command: string): Promise<Answer> {
    return this.answer(this.send(command))
  }

  /** @returns the command's tag. */
  send(command: string): string {
    const tag = `t${this.#tags++}`
    this.socket.write(`${tag} ${command}\r\n`, 'latin1')
    return tag
  }

  async answer(tag: string): Promise<Answer> {
    const untagged: string[] = []
    for (;;) {
      const response = await this.response()
      if (response === undefined)
        throw new Error(`the connection ended before ${tag} was answered: ${untagged.join('|')}`)
      if (response.startsWith(`${tag} `)) return { untagged, status: response.slice(tag.length + 1) }
      untagged.push(response)
    }
  }

  /** The next response, literals included; undefined at the end of the connection. */
  async response(): Promise<string | undefined> {
    let end = 0
    for (;;) {
      const newline = await this.#until(() => this.#buffered.indexOf('\r\n', end))
      if (newline === undefined) return undefined
      const literal = /\{(\d+)\}$/.exec(this.#buffered.slice(Math.max(end, newline - 20), newline))
      if (literal === null) {
        const response = this.#buffered.slice(0, newline)
        this.#buffered = this.#buffered.slice(newline + 2)
        return response
      }
      end = newline + 2 + Number(literal[1])
      const complete = end
      if ((await this.#until(() => (this.#buffered.length >= complete ? complete : -1))) === undefined) return undefined
    }
  }

  async #until(find: () => number): Promise<number | undefined> {
    for (;;) {
      const found = find()
      if (found >= 0) return found
      if (this.#ended) return undefined
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.destroy()
  }
}
