// What lies in a user's INBOX, told by the subjects.
import type { SkeinNode } from './skein.ts'
import { imapOf } from './stage.ts'

export async function imapSubjects(node: SkeinNode, user: string): Promise<string[]> {
  await using client = await imapOf(node, user)
  await client.select('INBOX')
  // Before the session is over.
  return await client.headerValues('Subject')
}
