// Letters that a foreign server has put into Maildirs, read as bytes.
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

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
