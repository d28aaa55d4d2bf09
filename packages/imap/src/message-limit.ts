// How many messages one command works on (RFC 9738): above, the newest of them; a copy is of all or of none.
import type { ImapLimits } from './limits.ts'
import type { SearchKey } from './search/search-key.ts'
import type { MailboxView, Span } from './view.ts'

export interface LimitedSpans {
  spans: readonly Span[]
  /** Response code that says which messages were left out, if any were. */
  code: string | undefined
}

function countOf(spans: readonly Span[]): number {
  return spans.reduce((sum, { first, last }) => sum + last - first + 1, 0)
}

/** The newest of the messages that the command names, as many as it may work on (RFC 9738 §3.1). */
export function newestOf(view: MailboxView, spans: readonly Span[], limits: ImapLimits): LimitedSpans {
  const most = limits.messagesPerCommandMax
  let over = most > 0 ? countOf(spans) - most : 0
  if (over <= 0) return { spans, code: undefined }
  const kept: Span[] = []
  for (const { first, last } of spans) {
    const length = last - first + 1
    if (over >= length) over -= length
    else {
      kept.push({ first: first + over, last })
      over = 0
    }
  }
  return { spans: kept, code: `MESSAGELIMIT ${most} ${view.uidAt(kept[0]?.first ?? 0)}` }
}

/**
 * The first place that a search looks at, and the response code where it leaves some out (RFC 9738 §3.2). Counted are the
 * messages that the keys let it be about, so that `UIDBEFORE` goes on where the last search stopped.
 */
export function searchStart(
  view: MailboxView,
  key: SearchKey,
  limits: ImapLimits,
): { firstPlace: number; code: string | undefined } {
  const most = limits.messagesPerCommandMax
  if (most === 0 || view.count <= most) return { firstPlace: 0, code: undefined }
  const { spans, code } = newestOf(view, scopeOf(view, key), limits)
  return { firstPlace: spans[0]?.first ?? 0, code }
}

/** Places outside of which nothing can match. */
function scopeOf(view: MailboxView, key: SearchKey): readonly Span[] {
  if (key.kind === 'messages') return view.spans(key.set, key.by)
  if (key.kind === 'and') return key.keys.map((inner) => scopeOf(view, inner)).reduce(common, wholeOf(view))
  return wholeOf(view)
}

function wholeOf(view: MailboxView): readonly Span[] {
  return view.count === 0 ? [] : [{ first: 0, last: view.count - 1 }]
}

function common(a: readonly Span[], b: readonly Span[]): readonly Span[] {
  const shared: Span[] = []
  for (let left = 0, right = 0; left < a.length && right < b.length;) {
    const [one, other] = [a[left] as Span, b[right] as Span]
    const first = Math.max(one.first, other.first)
    const last = Math.min(one.last, other.last)
    if (first <= last) shared.push({ first, last })
    if (one.last < other.last) left++
    else right++
  }
  return shared
}

/** For commands that do all or nothing: the code of their refusal. */
export function tooManyToSave(messages: number, limits: ImapLimits): string | undefined {
  const most = saveLimit(limits)
  return most > 0 && messages > most ? `MESSAGELIMIT ${most}` : undefined
}

/** MESSAGELIMIT holds for COPY and APPEND too; SAVELIMIT is for where there is none (RFC 9738 §3.5). */
export function saveLimit({ messagesPerCommandMax, savedMessagesMax }: ImapLimits): number {
  return messagesPerCommandMax > 0 ? messagesPerCommandMax : savedMessagesMax
}
