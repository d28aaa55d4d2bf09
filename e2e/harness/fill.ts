// Fills mailboxes quickly: many letters in one APPEND (RFC 3502), their literals not waited for (RFC 7888).
import { type ImapClient, quoted } from './imap-client.ts'

export interface FillLetter {
  text: string
  /** Such as `\Seen \Flagged`. */
  flags?: string
}

/** In one command; under the node's limit of literals and the size of what one commit should hold. */
const lettersPerCommand = 500

export async function fillMailbox(client: ImapClient, mailbox: string, letters: readonly FillLetter[]): Promise<void> {
  for (let from = 0; from < letters.length; from += lettersPerCommand) {
    const pieces: Buffer[] = [Buffer.from(`APPEND ${quoted(mailbox)}`)]
    for (const { text, flags } of letters.slice(from, from + lettersPerCommand)) {
      const bytes = Buffer.from(text)
      pieces.push(Buffer.from(` (${flags ?? ''}) {${bytes.length}+}\r\n`), bytes)
    }
    const tag = client.nextTag()
    client.link.write(Buffer.concat([Buffer.from(`${tag} `), ...pieces, Buffer.from('\r\n')]))
    for (;;) {
      const { text } = await client.line(60_000)
      if (!text.startsWith(`${tag} `)) continue
      if (!text.startsWith(`${tag} OK`)) throw new Error(`APPEND of many letters: ${text}`)
      break
    }
  }
}
