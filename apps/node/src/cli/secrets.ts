// Passwords come from standard input or a prompt that does not echo; never from an argument.
import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import { SkeinError } from '@skein/runtime'

/** The first line of standard input with --password-stdin; otherwise asks twice on the terminal. */
export async function readPassword(fromStdin: boolean): Promise<string> {
  if (fromStdin) return readFirstLine()
  if (!process.stdin.isTTY) {
    throw new SkeinError(
      'password-missing',
      'refused',
      'no terminal to ask for a password on: give --password-stdin and write it to standard input',
    )
  }
  const first = await askSilently('Password: ')
  const second = await askSilently('Again: ')
  if (first !== second) throw new SkeinError('password-differs', 'refused', 'the two passwords are not the same')
  return first
}

export async function readFirstLine(): Promise<string> {
  const pieces: Buffer[] = []
  for await (const chunk of process.stdin) pieces.push(chunk as Buffer)
  const line = Buffer.concat(pieces).toString('utf8').split(/\r?\n/)[0] ?? ''
  if (line === '') throw new SkeinError('password-missing', 'refused', 'standard input held nothing')
  return line
}

function askSilently(question: string): Promise<string> {
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() })
  const lines = createInterface({ input: process.stdin, output: silent, terminal: true })
  process.stderr.write(question)
  return new Promise((resolve) => {
    lines.question('', (answer) => {
      lines.close()
      process.stderr.write('\n')
      resolve(answer)
    })
  })
}
