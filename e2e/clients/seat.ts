// Where a person sits: the account, and the node that the program is pointed at, which need not be the account's home.
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { FillLetter } from '../harness/fill.ts'
import { fillMailbox } from '../harness/fill.ts'
import type { ImapClient } from '../harness/imap-client.ts'
import { temporaryDirectory } from '../harness/processes.ts'
import type { SkeinNode } from '../harness/skein.ts'
import { imapOf, letter } from '../harness/stage.ts'

export interface Seat {
  /** The node that the program talks to. */
  node: SkeinNode
  /** The node where the account lives: what the test looks at to see what came of it. */
  home: SkeinNode
  user: string
  password: string
}

/** One person's work with one program. */
export interface Job {
  name: string
  programs: string[]
  run(seat: Seat): Promise<void>
}

/** RFC 3501 §5.1.3: a name, and the same in modified UTF-7. */
export const chinese = {
  project: { name: '工作/项目', encoded: '&XeVPXA-/&mHl27g-' },
  old: { name: '旧信', encoded: '&ZedP4Q-' },
  help: { name: '帮助', encoded: '&Xi5SqQ-' },
} as const

export const chineseSubject = '雁字回时，月满西楼'

/** `=?utf-8?B?…?=` RFC 2047 §2 */
export function encodedWord(text: string): string {
  return `=?utf-8?B?${Buffer.from(text).toString('base64')}?=`
}

export function certificateOf(seat: Seat): string {
  return join(seat.node.data, 'tls/cert.pem')
}

/** The account as it is at its home. */
export function atHome(seat: Seat): Promise<ImapClient> {
  return imapOf(seat.home, seat.user, seat.password)
}

/** A temporary home directory with these files; those who hold passwords are their owner's only. */
export function homeDirectory(name: string, files: Record<string, string> = {}): string {
  const directory = temporaryDirectory(name)
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, file)), { recursive: true })
    writeFileSync(join(directory, file), text, { mode: 0o600 })
  }
  return directory
}

/** Letters with Chinese subjects, `信 0` and so on. */
export function chineseLetters(seat: Seat, count: number, word = '信'): FillLetter[] {
  return Array.from({ length: count }, (_, number) => ({
    text: letter('wang@test.com', seat.user, encodedWord(`${word} ${number}`), `第 ${number} 封。\r\n.\r\n..\r\n`).text,
  }))
}

export async function putLetters(seat: Seat, mailbox: string, letters: readonly FillLetter[]): Promise<void> {
  await using client = await atHome(seat)
  await fillMailbox(client, mailbox, letters)
}

/** Every flag word of the mailbox's messages, by sequence. */
export async function flagsOf(client: ImapClient, mailbox: string): Promise<string[]> {
  if ((await client.select(mailbox)) === 0) return []
  const { untagged } = await client.must('FETCH 1:* (FLAGS)')
  return untagged.flatMap(({ text }) => /FETCH \(FLAGS \(([^)]*)\)/.exec(text)?.[1] ?? [])
}
