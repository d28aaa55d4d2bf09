// What this server can do, as CAPABILITY says it (RFC 9051 §7.2.2).
import type { ImapLimits } from './limits.ts'
import type { StateName } from './session.ts'

/** Extensions that hold in every state. */
const always = ['IMAP4rev1', 'LITERAL+', 'ID', 'SASL-IR', 'ENABLE']

const afterLogin = [
  'IDLE',
  'NAMESPACE',
  'UNSELECT',
  'UIDPLUS',
  'MOVE',
  'MULTIAPPEND',
  'CHILDREN',
  'LIST-EXTENDED',
  'LIST-STATUS',
  'SPECIAL-USE',
  'CREATE-SPECIAL-USE',
  'ESEARCH',
  'SEARCHRES',
  'WITHIN',
  'CONDSTORE',
  'QRESYNC',
  'OBJECTID',
  'PREVIEW',
  'SAVEDATE',
  'STATUS=SIZE',
  'QUOTA',
  'QUOTA=RES-STORAGE',
  'UTF8=ACCEPT',
]

export interface CapabilityFacts {
  readonly state: { readonly kind: StateName }
  readonly secure: boolean
  readonly loginAllowed: boolean
  readonly limits: ImapLimits
}

export function capabilityList(facts: CapabilityFacts): string {
  const names = [...always]
  if (facts.state.kind !== 'not-authenticated') {
    return [...names, ...afterLogin, `APPENDLIMIT=${facts.limits.literalBytesMax}`].join(' ')
  }
  if (!facts.secure) names.push('STARTTLS')
  // RFC 9051 §6.2.3: no password in clear over the network.
  if (facts.loginAllowed) names.push('AUTH=PLAIN', 'AUTH=LOGIN')
  else names.push('LOGINDISABLED')
  return names.join(' ')
}
