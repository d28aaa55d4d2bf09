// Judges each letter that a stranger hands in, and signs what our users send: once, where the letter enters the mesh.
// Never throws for what a letter says; a broken verifier costs a result, not the letter.
import type { Directory } from '@skein/accounts'
import type { Examination, ExaminedLetter, IntakeSource, LetterExaminer } from '@skein/delivery'
import { canonicalDomain, parseHeaderFields, splitAddress } from '@skein/mail'
import type { DmarcJournal } from '@skein/reports'
import { SkeinError, type Clock, type DnsResolver, type Logger } from '@skein/runtime'
import { authenticationResults } from './authentication-results.ts'
import { authorDomain } from './author-domain.ts'
import { dmarcIdentity, evaluateDmarc, type DmarcCheck } from './dmarc.ts'
import { decide, type AuthenticationPolicy, type Decision } from './policy.ts'
import type { CheckedLetter, MessageVerifier, SigningKey } from './ports.ts'

export interface ExaminerComponents {
  verifier: MessageVerifier
  dns: Pick<DnsResolver, 'txt' | 'a'>
  directory: Directory
  journal: DmarcJournal
  clock: Clock
  logger: Logger
  /** Those of this node with which letters are signed now; none: letters go out unsigned. */
  keys(): readonly SigningKey[]
}

export interface ExaminerSettings {
  /** The authserv-id (RFC 8601 §2.5). */
  hostName: string
  /** Letters from such addresses are taken as they are. */
  isTrusted(address: string): boolean
  policy: AuthenticationPolicy
}

export function createLetterExaminer(components: ExaminerComponents, settings: ExaminerSettings): LetterExaminer {
  const { verifier, dns, directory, journal, clock, logger, keys } = components
  const { hostName, isTrusted, policy } = settings

  // LMTP comes from a mail system in front, which has judged already.
  const isStranger = (source: IntakeSource) =>
    source.kind === 'smtp' && !source.protocol.startsWith('LMTP') && !isTrusted(source.remoteAddress)

  async function judge(letter: ExaminedLetter, signal: AbortSignal): Promise<Examination> {
    const checked = await check(letter, signal)
    const author = authorDomain(checked.from)
    const dmarc =
      author.kind === 'one'
        ? await evaluateDmarc(dns, { domain: author.domain, spf: checked.spf, dkim: checked.dkim })
        : undefined
    const decision = decide({ author, checked, dmarc }, policy)
    if (dmarc) note(letter, checked, dmarc, decision)
    if (decision.verdict === 'refuse') {
      const { code, status, text, detail } = decision
      logger.info(
        { from: letter.from, remote: letter.source.remoteAddress, code, status, detail },
        'a letter was refused',
      )
      return { verdict: 'refuse', code, status, text }
    }
    const { remoteAddress } = letter.source
    const results = authenticationResults({ authservId: hostName, checked, dmarc, remoteAddress })
    const seal = letter.leaves ? await sealed(letter, checked, results, signal) : ''
    const fields = `${seal}Authentication-Results: ${results}\r\n`
    return { verdict: decision.verdict, fields, detail: decision.detail }
  }

  async function check(letter: ExaminedLetter, signal: AbortSignal): Promise<CheckedLetter> {
    const { source, from, size } = letter
    const { remoteAddress, helo } = source
    try {
      return await verifier.verify({ remoteAddress, helo, from, size, bytes: () => letter.bytes() }, signal)
    } catch (error) {
      // Too many wait: whoever sends hears so, and comes again.
      if (signal.aborted || (error instanceof SkeinError && error.code === 'verifier-busy')) throw error
      logger.warn({ queueId: letter.id, error: String(error) }, 'a letter could not be checked')
      return unchecked(letter, await fromFields(letter.bytes()))
    }
  }

  async function sealed(letter: ExaminedLetter, checked: CheckedLetter, results: string, signal: AbortSignal) {
    const domain = meshDomainOf(hostName) ?? directory.domains()[0]?.name
    const using = keys().filter((key) => key.algorithm === 'rsa-sha256')
    if (domain === undefined || using.length === 0 || !checked.arc.sealable) return ''
    try {
      const { size } = letter
      const chain = checked.arc
      const atMs = clock.nowMs()
      return await verifier.seal(
        { bytes: () => letter.bytes(), size, domain, keys: using, atMs, results, chain },
        signal,
      )
    } catch (error) {
      logger.warn({ queueId: letter.id, error: String(error) }, 'a letter goes on without an ARC seal')
      return ''
    }
  }

  function note(letter: ExaminedLetter, checked: CheckedLetter, dmarc: DmarcCheck, decision: Decision): void {
    const found = dmarc.policy
    // A letter that is to come again is told of when it has.
    if (!found || (decision.verdict === 'refuse' && decision.code < 500)) return
    const identity = dmarcIdentity(checked.spf)
    journal.note({
      atMs: clock.nowMs(),
      sourceIp: letter.source.remoteAddress,
      headerFrom: dmarc.domain,
      envelopeFrom: splitAddress(letter.from).domain,
      envelopeTo: splitAddress(letter.recipients[0] ?? '').domain,
      policyDomain: found.domain,
      record: found.record.text,
      disposition: decision.disposition,
      dkimAligned: dmarc.dkimAligned,
      spfAligned: dmarc.spfAligned,
      dkim: checked.dkim.map(({ domain, selector, result, reason }) => ({
        domain,
        selector,
        result,
        humanResult: reason,
      })),
      spf: identity ? { domain: identity.domain, scope: identity.scope, result: identity.result } : null,
      overrideReason: decision.override.reason,
      overrideComment: decision.override.comment,
    })
  }

  /** The name itself, or the nearest above it, that is a domain of this mesh. */
  function meshDomainOf(name: string): string | undefined {
    for (let at: string | undefined = name; at !== undefined; at = parentOf(at)) {
      if (directory.domain(at)) return at
    }
    return undefined
  }

  async function signature(
    letter: { bytes(): AsyncIterable<Uint8Array>; size: number; queueId: string },
    signal: AbortSignal,
  ): Promise<string> {
    const using = keys()
    if (using.length === 0) return ''
    const author = authorDomain(await fromFields(letter.bytes()))
    // Somebody else's name is theirs to sign for.
    const domain = author.kind === 'one' ? meshDomainOf(author.domain) : undefined
    if (domain === undefined) return ''
    try {
      return await verifier.sign(
        { bytes: () => letter.bytes(), size: letter.size, domain, keys: using, atMs: clock.nowMs() },
        signal,
      )
    } catch (error) {
      logger.error({ queueId: letter.queueId, error: String(error) }, 'a letter goes out without a signature')
      return ''
    }
  }

  return {
    concerns: (source, leaves) => (source.kind === 'submission' ? leaves && keys().length > 0 : isStranger(source)),
    async examine(letter, signal) {
      if (isStranger(letter.source)) return judge(letter, signal)
      const fields =
        letter.source.kind === 'submission'
          ? await signature({ bytes: () => letter.bytes(), size: letter.size, queueId: letter.id }, signal)
          : ''
      return { verdict: 'take', fields, detail: '' }
    },
    async signOwn(bytes) {
      const whole = async function* () {
        yield bytes
      }
      return signature({ bytes: whole, size: bytes.length, queueId: '' }, new AbortController().signal)
    },
  }
}

function parentOf(name: string): string | undefined {
  const dot = name.indexOf('.')
  return dot < 0 ? undefined : name.slice(dot + 1)
}

/** Values of the From fields; the header of what we sign has passed the intake's limits. */
async function fromFields(bytes: AsyncIterable<Uint8Array>): Promise<string[]> {
  const held: Uint8Array[] = []
  for await (const chunk of bytes) {
    held.push(chunk)
    const all = Buffer.concat(held)
    if (all.includes('\r\n\r\n') || all.includes('\n\n')) break
  }
  const header = Buffer.concat(held)
  return parseHeaderFields(header)
    .filter((field) => field.lower === 'from')
    .map((field) => header.toString('utf8', field.valueStart, field.end))
}

/** What is known of a letter that nobody could check. */
function unchecked({ from, source }: ExaminedLetter, fields: string[]): CheckedLetter {
  const reason = 'the check failed here'
  const domain = canonicalDomain(from === '' ? source.helo : splitAddress(from).domain) ?? ''
  const author = authorDomain(fields)
  // It may carry a signature of its author's domain: DMARC has not failed.
  const signer = author.kind === 'one' ? author.domain : ''
  const signature = { domain: signer, selector: '', identity: '', algorithm: '', signatureHead: '' }
  return {
    spf: [{ scope: from === '' ? 'helo' : 'mfrom', domain, result: 'temperror', reason }],
    dkim: [{ ...signature, result: 'temperror', reason }],
    arc: { result: 'none', reason: '', sets: [], instance: 0, sealable: false },
    from: fields,
  }
}
