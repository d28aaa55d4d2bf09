// THREAD and UID THREAD (RFC 5256 §3) by ORDEREDSUBJECT and REFERENCES.
import type { MessageRecord } from '@skein/mailboxes'
import { searchStart } from '../message-limit.ts'
import { no, ok } from '../replies.ts'
import type { Cursor } from '../wire/cursor.ts'
import { searchGround } from '../search/find-messages.ts'
import { runSearch } from '../search/run-search.ts'
import { keyHas } from '../search/search-key.ts'
import type { SearchKey } from '../search/search-key.ts'
import { parseCharset, parseKeys } from '../search/search-program.ts'
import { inTurns } from '../sort/paced.ts'
import type { Paced } from '../sort/paced.ts'
import { recordsOf, sentMs } from '../sort/sort-hits.ts'
import { wordsOf } from '../sort/words-of-hits.ts'
import { formatThreads } from '../thread/thread.ts'
import type { Thread, Threadable } from '../thread/thread.ts'
import { threadReferences } from '../thread/thread-references.ts'
import { threadSubjects } from '../thread/thread-subjects.ts'
import { command, selected, selectedOf } from './command.ts'
import type { Command, Context, Numbering } from './command.ts'
import { tooManyToSort, unknownCharset } from './search.ts'

type Algorithm = (messages: readonly Threadable[]) => Paced<Thread[]>

const algorithms: Readonly<Record<string, Algorithm>> = {
  ORDEREDSUBJECT: threadSubjects,
  REFERENCES: threadReferences,
}

const BLOCK = 4096

interface ThreadArguments {
  algorithm: Algorithm | undefined
  key: SearchKey | undefined
}

function parseThread(cursor: Cursor): ThreadArguments {
  cursor.space()
  const name = cursor.keyword()
  cursor.space()
  const algorithm = Object.hasOwn(algorithms, name) ? algorithms[name] : undefined
  return { algorithm, key: parseKeys(cursor, parseCharset(cursor)) }
}

async function threadables(context: Context, records: readonly MessageRecord[]): Promise<Threadable[]> {
  const { mailboxes } = selectedOf(context)
  const ground = { mailboxes, words: context.wordCache, out: context.out }
  const { ids, subject, reply, sent } = await wordsOf(ground, records, ['ids', 'subject', 'reply', 'sent'])
  const found: Threadable[] = []
  for (const [at, record] of records.entries()) {
    found.push({
      ids: ids[at] as readonly string[],
      subject: subject[at] as string,
      reply: reply[at] as boolean,
      sentMs: sentMs(sent[at] as number, record),
    })
    if (at % BLOCK > 0) continue
    const pause = context.out.breathe()
    if (pause) await pause
  }
  return found
}

function threadCommand(name: string, numbering: Numbering): Command {
  return command<ThreadArguments>({
    name,
    states: selected,
    ...(numbering === 'sequence' ? { keepsNumbers: true as const } : {}),
    parse: parseThread,
    async run(context, { algorithm, key }) {
      if (algorithm === undefined) return no('That way of threading is not known', 'CANNOT')
      if (key === undefined) return unknownCharset()
      const { mailboxes, view } = selectedOf(context)
      if (searchStart(view, key, context.limits).code !== undefined) return tooManyToSort(context)
      if (keyHas(key, ({ kind }) => kind === 'modseq')) context.enabled.condstore = true
      const { out } = context
      const hits = await runSearch(searchGround(context, { mailboxes, view }, key), key)
      const records = await recordsOf(out, hits, await mailboxes.messages(view.mailbox))
      const threads = await inTurns(out, algorithm(await threadables(context, records)))
      out.text('* THREAD')
      if (threads.length > 0) out.text(' ')
      const number = (at: number) => (numbering === 'uid' ? (hits[at]?.uid ?? 0) : (hits[at]?.place ?? 0) + 1)
      for (const text of formatThreads(threads, number)) {
        out.text(text)
        const pause = out.breathe()
        if (pause) await pause
      }
      out.text('\r\n')
      return ok('Threaded')
    },
  })
}

export const thread = threadCommand('THREAD', 'sequence')
export const uidThread = threadCommand('UID THREAD', 'uid')
