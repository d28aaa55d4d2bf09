// What another mail system means by "no": is it this node's address that it does not like, or can it not be reached from
// here? Then the same letter may pass from another node. Pure; unclear answers count as being about the letter.
import type { DeliveryResult } from './ports.ts'

/**
 * address: this node's address is refused (block list, reputation, reverse DNS, rate of this address).
 * unreachable: no host of the domain answers this node.
 * other: about the recipient, the sender, the letter, or of no clear meaning: another node would hear the same.
 */
export type RefusalCause = 'address' | 'unreachable' | 'other'

type Said = Pick<DeliveryResult, 'kind' | 'code' | 'status' | 'text'>

/** Words that name the connecting host. */
const host = String.raw`(?:ip|ips|ip address|ip addr|client|client host|client address|host|your host|server|mail server|sending server|sending mta|sending ip|sender ip|connecting ip|network|netblock|address)`
/** Words for turning it away. */
const turnedAway = String.raw`(?:block(?:ed|ing|list(?:ed)?|s)?|black ?list(?:ed)?|denied|deny|reject(?:ed)?|refused?|ban(?:ned)?|listed|suspicious|reputation|throttl\w*|rate.?limit\w*|deferred|not allowed|not accepted|prohibited|suspended)`

/** The answer names the connecting address as its reason. */
const addressWords: readonly RegExp[] = [
  /\b(?:dns)?(?:rbl|dnsbl)s?\b|\brbl:|\bdt:rbl\b/i,
  /block(?:ed)? using |blocked (?:by|using) [\w-]+\.|listed (?:at|by|in|on) |(?:black|block)[- ]?list|\bbl\d{3,4}\b/i,
  /spamhaus|spamcop|barracudacentral|sorbs|uceprotect|abuseat|proofpoint dynamic reputation|senderscore|senderbase|talosintelligence|csi\.cloudmark|cloudmark sender intelligence|mailspike|invaluement|spamrats|backscatterer/i,
  /\b(?:ip|sender|server|host|mta|network) reputation|reputation of (?:your|the|this) (?:ip|host|server|network)|(?:poor|low|bad) (?:ip )?reputation/i,
  /\breverse dns|\brdns\b|\bptr (?:record|lookup|entry)|no ptr\b|\bptr\b.*(?:missing|match)|cannot find your (?:reverse )?host ?name|(?:client )?host rejected:|dynamic(?:ally)?[- ](?:ip|assigned|address|allocat)|generic (?:rdns|reverse|hostname)|residential/i,
  /unusual rate of (?:unsolicited )?(?:mail|email)|(?:messages|mail|email|traffic) (?:sent )?from (?:your|the|this) (?:ip|server|host|network)|from ip\b/i,
  /user complaints|\[ts\d\d\]|\btss\d\d\b|\[(?:hc|ch|cs|la|ph)\d\d\]|\brp-00[1-3]\b|\bsc-00[1-4]\b|\bdy-00[12]\b|\bov-00[12]\b|\bs31(?:40|50)\b|banned sending ip|banned sender ?\[|\bas\(\d{3,4}\)/i,
  /\bhl:(?:rep|icc|ifc|mep|itc)\b|\bip\b.{0,20}\bfrequency limited|connection frequency limited|suspected spam ip|black ip|rbl deny|\bip is (?:rejected|hangup)/i,
  new RegExp(
    String.raw`\b(?:your|this|the|that)? ?${host}\b[^.;]{0,60}\b(?:is|was|has been|been|temporarily|are|being)? ?\b${turnedAway}\b`,
    'i',
  ),
  new RegExp(
    String.raw`\b${turnedAway}\b[^.;]{0,30}\b(?:your|this|the|from|of|for)\b[^.;]{0,20}\b(?:ip|ips|host|server|network)\b`,
    'i',
  ),
  /too many (?:concurrent )?(?:connections|sessions)(?: from)? (?:your|this|from)|connection (?:rate|limit)|too many connections from|exceeded.{0,30}connections/i,
]

/** The answer names something that goes along with the letter to whichever node sends it. */
const letterWords: readonly RegExp[] = [
  /(?:user|mailbox|recipient|account|address)[^.;]{0,40}(?:unknown|not found|does ?n[o']t exist|no such|unavailable|inactive|disabled|invalid)|(?:unknown|no such|invalid) (?:user|recipient|mailbox|address)/i,
  /recipient address rejected|recipient rejected|relay(?:ing)? (?:access )?(?:denied|not permitted|not allowed|prohibited)|relay not permitted|unable to relay|not permitted to relay|we do not relay/i,
  /sender address rejected|sender (?:domain|address|is|verify|rejected|denied)|from address|domain frequency limited|sender frequency limited|domain of sender|envelope sender|mail from (?:command|address|domain)|return[- ]path/i,
  /content|virus|malware|attachment|\burl\b|\buri\b|phish|message (?:body|header)|header|subject|dt:spm|\bdbl\b|surbl|uribl/i,
  /\bdkim\b|\bdmarc\b|unauthenticated|authenticat|not rfc ?5322|duplicate/i,
  /over ?quota|quota exceeded|mailbox (?:is )?full|out of (?:storage|space)|message (?:size|too)|too (?:large|big)|exceeds? (?:the )?(?:size|max)/i,
  /grey ?list|graylist|try again later.{0,20}first|temporarily deferred: first/i,
]

/** RFC 3463, RFC 7372, RFC 7505: about addresses, mailboxes, size, content, and checks that another node would fail as well. */
const letterStatus =
  /^[45]\.(?:1\.[1-9]|1\.10|2\.[1-4]|3\.[345]|4\.[36]|5\.[2356]|6\.\d+|7\.(?:2|3|4|5|6|7|8|9|1[0-9]|2[0-2]|26|27|29|30))$/
/** RFC 7372 §3.2, §3.3: SPF and reverse DNS speak of the connecting address. */
const addressStatus = /^[45]\.7\.(?:23|25)$/

/** @param isRepeated the same destination said 421 the time before too */
export function refusalCause(said: Said, isRepeated = false): RefusalCause {
  if (said.kind === 'delivered') return 'other'
  const { code, status, text } = said
  // What could not even be asked: there is no reply of the other side.
  if (/^[4]\.4\.[12]$/.test(status) && code !== 421 && !/: [245]\d\d[ -]/.test(text)) return 'unreachable'
  if (addressStatus.test(status)) return 'address'
  const named = addressWords.some((words) => words.test(text))
  // RFC 5321 §4.2.2: 521 and 421 close the whole connection, whatever was to be sent on it.
  if (code === 521) return 'address'
  if (letterStatus.test(status)) return named && isPolicy(said) && !isOfLetter(text) ? 'address' : 'other'
  if (isOfLetter(text) && !isStrong(text)) return 'other'
  if (named) return 'address'
  if (code === 421) return isRepeated ? 'address' : 'other'
  // RFC 3463 §3.8: 5.7.1 is "delivery not authorized"; without a word about the letter it is the sender's address that has no right.
  if (code >= 500 && /^5\.7\.[01]$/.test(status)) return isBare(text) ? 'address' : 'other'
  return 'other'
}

function isOfLetter(text: string): boolean {
  return letterWords.some((words) => words.test(text))
}

/** Names a block list or reverse DNS outright, whatever else it speaks of ("recipient address rejected: blocked by zen.spamhaus.org"). */
function isStrong(text: string): boolean {
  return (
    addressWords.slice(0, 5).some((words) => words.test(text)) &&
    !/\bdbl\b|surbl|uribl|\bdomain\b.{0,30}(?:listed|black|block)/i.test(text)
  )
}

function isPolicy({ status }: Said): boolean {
  return /^[45]\.(?:7|3)\.\d+$/.test(status)
}

/** "Access denied", "service refused", "not authorized", "policy": nothing about the letter. */
function isBare(text: string): boolean {
  return /access denied|denied by policy|policy (?:violation|reason|reject)|local policy|service (?:refused|unavailable|denied)|not authori[sz]ed|delivery not authori[sz]ed|message refused|message rejected|mail rejected|command rejected|connection (?:refused|rejected|denied)|you are not (?:allowed|welcome)|go away|spam source|blocked|transaction failed|^[^:]*: 55\d (?:5\.7\.[01] ?)?(?:rejected|refused|denied|error)\b/i.test(
    text,
  )
}
