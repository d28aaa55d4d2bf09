// Letters that a foreign server has put into Maildirs, read as bytes.
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { eventually } from './poll.ts'

/** A foreign server whose mailboxes are Maildirs below `mail` in its directory, one folder for each (`folderOf`). */
export abstract class MaildirServer {
  abstract readonly directory: string
  abstract get log(): string

  /** What lies in a user's mailbox, oldest first, CR LF line ends. */
  letters(user: string): Buffer[] {
    return lettersIn(join(this.directory, 'mail', folderOf(user)))
  }

  /** The first letter of a user that holds `text`, waited for. */
  letterWith(user: string, text: string, deadlineMs = 20_000): Promise<Buffer> {
    return eventually(() => this.letters(user).find((bytes) => bytes.includes(text)), {
      what: () => `a letter with ${JSON.stringify(text)} for ${user}; the log here: ${this.log.slice(-2000)}`,
      deadlineMs,
    })
  }
}

/** One folder for each mailbox, whatever letters its name has. */
export function folderOf(user: string): string {
  return Buffer.from(user.toLowerCase()).toString('hex')
}

/** One letter as the server stored it, with CR LF line ends again; servers put lines of their own before it. */
export function lettersIn(maildir: string): Buffer[] {
  const folder = join(maildir, 'new')
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .sort()
    .map((name) => withCrLf(readFileSync(join(folder, name))))
}

/** Maildirs hold LF line ends: what was CR LF on the wire. */
export function withCrLf(bytes: Buffer): Buffer {
  return Buffer.from(bytes.toString('latin1').replaceAll(/\r?\n/g, '\r\n'), 'latin1')
}
