// A log-in at a node that is not the account's home: the client's connection is joined to a stream that the home serves. From
// then on this node reads no command of it; TLS stays here, and the home writes the answer to the log-in itself.
import type { LoginOutcome } from '@skein/accounts'
import { type PeerStream, SkeinError, type Splice, splice } from '@skein/runtime'
import type { Duplex } from 'node:stream'
import { type Answer, answerForLogin, answers, formatError, refuse } from './answers.ts'
import type { Pop3House } from './house.ts'
import { type Language, languageFor } from './texts.ts'
import { AnswerWatch } from './wire/answer-watch.ts'

/** What was agreed before the log-in (RFC 6856). */
export interface SessionOpening {
  utf8: boolean
  language: Language
}

/** The same as words, for the way to the home. */
function wordsOf({ utf8, language }: SessionOpening): string {
  return [...(utf8 ? ['utf8'] : []), ...(language === 'en' ? [] : [language])].join(' ')
}

/** Words that this version does not know are passed over. */
export function openingOf(words: string): SessionOpening {
  const all = words.split(' ')
  return { utf8: all.includes('utf8'), language: all.map(languageFor).find((one) => one !== undefined) ?? 'en' }
}

export type Elsewhere = Extract<LoginOutcome, { kind: 'elsewhere' }>

export interface CarriedClient {
  readonly house: Pop3House
  readonly remoteAddress: string
  readonly isSecure: boolean
}

/** What follows the log-in: the home's own answer, or ours where it can't be reached or refuses. */
export async function goElsewhere(
  { house, remoteAddress, isSecure }: CarriedClient,
  outcome: Elsewhere,
  socket: Duplex,
  opening: SessionOpening,
): Promise<Answer> {
  const { carrier, logger } = house
  if (!carrier) return answerForLogin(outcome)
  try {
    const home = await carrier.carry(outcome, {
      protocol: 'pop3',
      remoteAddress,
      secure: isSecure,
      tls: tlsOf(socket),
      opening: wordsOf(opening),
    })
    return { kind: 'carried', home }
  } catch (error) {
    const known = error instanceof SkeinError
    logger[known ? 'info' : 'error'](
      { error, home: outcome.home, remoteAddress },
      'a session could not be carried home',
    )
    if (known && error.code === 'maildrop-in-use') return answers.inUse
    if (known && error.code === 'too-many-connections') return answers.tooManyConnections
    return refuse('the node that keeps this mailbox can not be reached now', 'SYS/TEMP')
  }
}

/** @param first what the client has sent after its log-in already */
export function carryAway(house: Pop3House, client: Duplex, home: PeerStream, first: Buffer): Splice {
  return splice(client, home, {
    clock: house.clock,
    watch: new AnswerWatch(),
    first: first.length > 0 ? [first] : [],
    lostText: formatError(refuse('the node that keeps this mailbox went away', 'SYS/TEMP')),
  })
}

/** Version and cipher, for the log of the home. */
function tlsOf(socket: Duplex): string {
  const tls = socket as { getProtocol?: () => string | null; getCipher?: () => { name?: string } | undefined }
  return [tls.getProtocol?.(), tls.getCipher?.()?.name].filter(Boolean).join(' ')
}
