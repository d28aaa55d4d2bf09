// What this server can do, as CAPABILITY says it (RFC 9051 §7.2.2): one line a capability, with what it needs.
import type { ImapLimits } from './limits.ts'
import { saveLimit } from './message-limit.ts'
import type { StateName } from './session.ts'

export interface CapabilityFacts {
  readonly state: { readonly kind: StateName }
  readonly secure: boolean
  readonly loginAllowed: boolean
  readonly limits: ImapLimits
  /** Everything is deflated already. */
  readonly compressed: boolean
  readonly mayUnauthenticate: boolean
  /** Mailboxes can be shared with others. */
  readonly sharing: boolean
  /** SASL mechanisms that can be had on this connection. */
  mechanisms(): readonly string[]
}

/** Who is told: everyone, strangers only, or whoever is logged in. */
type Audience = 'all' | 'strangers' | 'known'

interface Capability {
  /** With its value, where it has one. */
  name: string | ((facts: CapabilityFacts) => string)
  to: Audience
  /** What else must hold. */
  when?: (facts: CapabilityFacts, offered: () => readonly string[]) => boolean
}

/** RFC 9051 §6.2.3: no mechanism where nobody may log in. */
const offers =
  (mechanism: string) =>
  (facts: CapabilityFacts, offered: () => readonly string[]): boolean =>
    facts.loginAllowed && offered().includes(mechanism)

const limitsAll = ({ limits }: CapabilityFacts): boolean => limits.messagesPerCommandMax > 0
const limitsSavesOnly = (facts: CapabilityFacts): boolean => !limitsAll(facts) && saveLimit(facts.limits) > 0

const capabilities: readonly Capability[] = [
  { name: 'IMAP4rev2', to: 'all' },
  { name: 'IMAP4rev1', to: 'all' },
  { name: 'LITERAL+', to: 'all' },
  { name: 'LOGIN-REFERRALS', to: 'all' },
  { name: 'ID', to: 'all' },
  { name: 'SASL-IR', to: 'all' },
  { name: 'ENABLE', to: 'all' },
  { name: 'STARTTLS', to: 'strangers', when: ({ secure }) => !secure },
  // RFC 9051 §6.2.3: no password in clear over the network.
  { name: 'LOGINDISABLED', to: 'strangers', when: ({ loginAllowed }) => !loginAllowed },
  { name: 'AUTH=EXTERNAL', to: 'strangers', when: offers('EXTERNAL') },
  { name: 'AUTH=SCRAM-SHA-256-PLUS', to: 'strangers', when: offers('SCRAM-SHA-256-PLUS') },
  { name: 'AUTH=SCRAM-SHA-256', to: 'strangers', when: offers('SCRAM-SHA-256') },
  { name: 'AUTH=OAUTHBEARER', to: 'strangers', when: offers('OAUTHBEARER') },
  { name: 'AUTH=XOAUTH2', to: 'strangers', when: offers('XOAUTH2') },
  { name: 'AUTH=PLAIN', to: 'strangers', when: offers('PLAIN') },
  { name: 'AUTH=LOGIN', to: 'strangers', when: offers('LOGIN') },
  { name: 'COMPRESS=DEFLATE', to: 'known', when: ({ compressed }) => !compressed },
  { name: 'UNAUTHENTICATE', to: 'known', when: ({ mayUnauthenticate }) => mayUnauthenticate },
  { name: 'IDLE', to: 'known' },
  { name: 'NAMESPACE', to: 'known' },
  { name: 'UNSELECT', to: 'known' },
  { name: 'UIDPLUS', to: 'known' },
  { name: 'MOVE', to: 'known' },
  { name: 'MULTIAPPEND', to: 'known' },
  { name: 'BINARY', to: 'known' },
  { name: 'CATENATE', to: 'known' },
  { name: 'REPLACE', to: 'known' },
  { name: 'CHILDREN', to: 'known' },
  { name: 'LIST-EXTENDED', to: 'known' },
  { name: 'LIST-STATUS', to: 'known' },
  { name: 'SPECIAL-USE', to: 'known' },
  { name: 'CREATE-SPECIAL-USE', to: 'known' },
  { name: 'ESEARCH', to: 'known' },
  { name: 'SEARCHRES', to: 'known' },
  { name: 'WITHIN', to: 'known' },
  { name: 'SORT', to: 'known' },
  { name: 'SORT=DISPLAY', to: 'known' },
  { name: 'ESORT', to: 'known' },
  { name: 'THREAD=ORDEREDSUBJECT', to: 'known' },
  { name: 'THREAD=REFERENCES', to: 'known' },
  { name: 'PARTIAL', to: 'known' },
  { name: 'I18NLEVEL=1', to: 'known' },
  { name: 'CONTEXT=SEARCH', to: 'known' },
  { name: 'CONTEXT=SORT', to: 'known' },
  { name: 'MULTISEARCH', to: 'known' },
  { name: 'SEARCH=FUZZY', to: 'known' },
  { name: 'NOTIFY', to: 'known' },
  { name: 'CONDSTORE', to: 'known' },
  { name: 'QRESYNC', to: 'known' },
  { name: 'OBJECTID', to: 'known' },
  { name: 'PREVIEW', to: 'known' },
  { name: 'SAVEDATE', to: 'known' },
  { name: 'STATUS=SIZE', to: 'known' },
  { name: 'QUOTA', to: 'known' },
  { name: 'QUOTA=RES-STORAGE', to: 'known' },
  { name: 'QUOTA=RES-MESSAGE', to: 'known' },
  { name: 'QUOTA=RES-MAILBOX', to: 'known' },
  { name: 'QUOTASET', to: 'known' },
  { name: 'METADATA', to: 'known' },
  { name: 'LIST-METADATA', to: 'known' },
  { name: 'ACL', to: 'known', when: ({ sharing }) => sharing },
  { name: 'RIGHTS=kxte', to: 'known', when: ({ sharing }) => sharing },
  { name: 'LIST-MYRIGHTS', to: 'known', when: ({ sharing }) => sharing },
  { name: 'UTF8=ACCEPT', to: 'known' },
  { name: 'UIDONLY', to: 'known' },
  { name: 'UIDBATCHES', to: 'known' },
  { name: 'INPROGRESS', to: 'known' },
  { name: ({ limits }) => `MESSAGELIMIT=${limits.messagesPerCommandMax}`, to: 'known', when: limitsAll },
  // RFC 9738 §3.5: one or the other.
  { name: ({ limits }) => `SAVELIMIT=${saveLimit(limits)}`, to: 'known', when: limitsSavesOnly },
  { name: ({ limits }) => `APPENDLIMIT=${limits.literalBytesMax}`, to: 'known' },
]

export function capabilityList(facts: CapabilityFacts): string {
  const audience: Audience = facts.state.kind === 'not-authenticated' ? 'strangers' : 'known'
  const names: string[] = []
  let mechanisms: readonly string[] | undefined
  const offered = () => (mechanisms ??= facts.mechanisms())
  for (const { name, to, when } of capabilities) {
    if (to !== 'all' && to !== audience) continue
    if (when !== undefined && !when(facts, offered)) continue
    names.push(typeof name === 'string' ? name : name(facts))
  }
  return names.join(' ')
}
