// The verdict that the RFCs fix for a letter and what the DNS says, from the connection's facts to what is done with the letter.
// One row is one set-up; the DNS is a table, the letters are signed and sealed with keys made here.
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import {
  createLetterExaminer,
  defaultAuthenticationPolicy,
  type AuthenticationPolicy,
  type ExaminerComponents,
} from '@skein/filtering'
import { silentLogger, systemClock as clock } from '@skein/runtime'
import mailauth from 'mailauth'
import { createVerifierPool } from '../src/index.ts'
import { ed25519Key, rsaKey, type TestKey } from './keys.ts'
import { ZoneResolver, type Zone } from './zone.ts'

type Examiner = ReturnType<typeof createLetterExaminer>
type Examination = Awaited<ReturnType<Examiner['examine']>>
type Evaluation = Parameters<ExaminerComponents['journal']['note']>[0]

const keys = {
  rsa: rsaKey('rsa'),
  ed: ed25519Key('ed'),
  weak: rsaKey('weak', 512),
  other: rsaKey('other'),
}

/** What every set-up has: a domain that signs and lists its address, one that does neither, forwarders, and a public suffix. */
const world: Zone = {
  'TXT strict.example': 'v=spf1 ip4:192.0.2.1 -all',
  'TXT _dmarc.strict.example': 'v=DMARC1; p=reject; rua=mailto:d@strict.example',
  'TXT rsa._domainkey.strict.example': keys.rsa.record,
  'TXT ed._domainkey.strict.example': keys.ed.record,
  'TXT weak._domainkey.strict.example': keys.weak.record,
  'TXT revoked._domainkey.strict.example': 'v=DKIM1; p=',
  'TXT sha1only._domainkey.strict.example': keys.rsa.record.replace('k=rsa', 'h=sha1; k=rsa'),
  'TXT notmail._domainkey.strict.example': keys.rsa.record.replace('k=rsa', 's=tlsrpt; k=rsa'),
  'TXT wrongtype._domainkey.strict.example': keys.ed.record,
  'TXT v2._domainkey.strict.example': keys.rsa.record.replace('DKIM1', 'DKIM2'),
  'TXT exact._domainkey.strict.example': keys.rsa.record.replace('k=rsa', 't=s; k=rsa'),
  'SERVFAIL dead._domainkey.strict.example': '',
  'A news.strict.example': '192.0.2.9',
  'TXT news.strict.example': 'v=spf1 a -all',
  'TXT rsa._domainkey.news.strict.example': keys.rsa.record,
  'TXT quarantine.example': 'v=spf1 ip4:192.0.2.1 ~all',
  'TXT _dmarc.quarantine.example': 'v=DMARC1; p=quarantine; sp=none; np=reject',
  'A sub.quarantine.example': '192.0.2.9',
  'TXT rsa._domainkey.quarantine.example': keys.rsa.record,
  'TXT lax.example': 'v=spf1 ip4:192.0.2.1 ?all',
  'TXT _dmarc.lax.example': 'v=DMARC1; p=none',
  'TXT exact.example': 'v=spf1 ip4:192.0.2.1 -all',
  'TXT _dmarc.exact.example': 'v=DMARC1; p=reject; adkim=s; aspf=s',
  'TXT sub.exact.example': 'v=spf1 ip4:192.0.2.1 -all',
  'TXT rsa._domainkey.sub.exact.example': keys.rsa.record,
  'TXT rsa._domainkey.exact.example': keys.rsa.record,
  'A plain.example': '192.0.2.9',
  'TXT bounce.example': 'v=spf1 ip4:192.0.2.1 -all',
  'TXT mx.helo.example': 'v=spf1 a -all',
  'A mx.helo.example': '192.0.2.1',
  'TXT list.example': 'v=spf1 ip4:192.0.2.5 -all',
  'TXT rsa._domainkey.list.example': keys.rsa.record,
  'TXT rsa._domainkey.stranger.example': keys.rsa.record,
  // A public suffix that publishes for itself, and what lies below it.
  'TXT _dmarc.bank': 'v=DMARC1; p=reject; np=reject; sp=quarantine; psd=y',
  'A own.bank': '192.0.2.9',
  'TXT _dmarc.listed.bank': 'v=DMARC1; p=none',
  'TXT rsa._domainkey.own.bank': keys.rsa.record,
  'TXT rsa._domainkey.mail.own.bank': keys.rsa.record,
  'TXT rsa._domainkey.other.bank': keys.rsa.record,
  // An organisation that says itself where it ends.
  'TXT _dmarc.faculty.uni.example': 'v=DMARC1; p=reject; psd=n',
  'TXT _dmarc.uni.example': 'v=DMARC1; p=none',
  'TXT rsa._domainkey.uni.example': keys.rsa.record,
  'TXT rsa._domainkey.lab.faculty.uni.example': keys.rsa.record,
  // IDN
  'TXT xn--bcher-kva.example': 'v=spf1 ip4:192.0.2.1 -all',
  'TXT _dmarc.xn--bcher-kva.example': 'v=DMARC1; p=reject',
  'TXT rsa._domainkey.xn--bcher-kva.example': keys.rsa.record,
}

interface SetUp {
  zone?: Zone
  ip?: string
  helo?: string
  /** Envelope sender. */
  mail?: string
  /** From fields, whole; default: one with a@strict.example. */
  from?: readonly string[]
  header?: string
  body?: string
  /** Signatures put on, in this order: domain and key, with changes to the finished field. */
  sign?: readonly { d: string; key?: TestKey; s?: string; edit?: (field: string) => string }[]
  /** A signature by another program's code, with what ours never writes. */
  foreign?: {
    domain: string
    selector?: string
    key?: TestKey
    canonicalization?: string
    algorithm?: string
    expires?: Date
    identity?: string
    /** l= */
    length?: number
  }
  /** Changes the letter after it was signed, as something on its way did. */
  tamper?: (letter: string) => string
  /** Seals put on after that: by whom, and what he says. */
  seal?: readonly { d: string; says: string; cv?: 'none' | 'pass' | 'fail' }[]
  breakSeal?: (letter: string) => string
  policy?: Partial<AuthenticationPolicy>
}

interface Expected {
  /** helo and mfrom results, where the row is about them. */
  spf?: string
  dkim?: string
  arc?: string
  dmarc?: string
  /** take, junk, or the reply. */
  verdict: string
}

const pools: { close(): Promise<void> }[] = []
after(() => Promise.all(pools.map((pool) => pool.close())))
const signer = createVerifierPool({ dns: new ZoneResolver(), clock, logger: silentLogger }, { hostName: 'x' })
pools.push(signer)
// One pool for all rows: what differs is the DNS behind it.
let zone = new ZoneResolver()
const dns = new Proxy(zone, { get: (_, name) => Reflect.get(zone, name) as unknown })
const pool = createVerifierPool({ dns, clock, logger: silentLogger }, { hostName: 'mx.test.com', answersKeptMs: 0 })
pools.push(pool)
const signal = new AbortController().signal

const once = (text: string) =>
  async function* () {
    yield Buffer.from(text, 'latin1')
  }

async function letterOf(setUp: SetUp): Promise<string> {
  const { from = ['From: A <a@strict.example>'], header = '', body = 'hello\r\n' } = setUp
  const fields = from.map((field) => `${Buffer.from(field).toString('latin1')}\r\n`).join('')
  let letter = `${fields}To: b@test.com\r\nSubject: x\r\nDate: Mon, 30 Nov 2026 09:00:00 +0000\r\n${header}\r\n${body}`
  for (const { d, key = keys.rsa, s, edit } of (setUp.sign ?? []).toReversed()) {
    const using = [{ ...key, selector: s ?? key.selector }]
    const job = { bytes: once(letter), size: letter.length, domain: d, keys: using, atMs: clock.nowMs() }
    const field = await signer.sign(job, signal)
    letter = (edit ? edit(field) : field) + letter
  }
  if (setUp.foreign) {
    const {
      domain,
      selector = 'rsa',
      key = keys.rsa,
      canonicalization = 'relaxed/relaxed',
      length,
      ...more
    } = setUp.foreign
    const { signatures, errors } = await mailauth.dkimSign(Buffer.from(letter, 'latin1'), {
      // The types want them here too.
      signingDomain: domain,
      selector,
      privateKey: key.privateKey,
      canonicalization,
      signTime: new Date(1_600_000_000_000),
      ...(more.expires && { expires: more.expires }),
      ...(more.algorithm !== undefined && { algorithm: more.algorithm }),
      signatureData: [
        {
          signingDomain: domain,
          selector,
          privateKey: key.privateKey,
          ...(length !== undefined && { maxBodyLength: length }),
          ...(more.identity !== undefined && { identity: more.identity }),
        },
      ],
    })
    assert.deepEqual(errors, [])
    letter = signatures + letter
  }
  if (setUp.tamper) letter = setUp.tamper(letter)
  for (const [at, { d, says, cv }] of (setUp.seal ?? []).entries()) {
    const chain = {
      result: cv ?? (at === 0 ? 'none' : 'pass'),
      reason: '',
      sets: [],
      instance: at,
      sealable: true,
    } as const
    const job = { bytes: once(letter), size: letter.length, domain: d, keys: [keys.rsa], atMs: clock.nowMs() }
    letter = (await signer.seal({ ...job, results: says, chain }, signal)) + letter
  }
  return setUp.breakSeal ? setUp.breakSeal(letter) : letter
}

const directory = {
  domain: (name: string) => (name === 'test.com' ? { name } : undefined),
  domains: () => [{ name: 'test.com' }],
} as unknown as ExaminerComponents['directory']

async function examine(setUp: SetUp): Promise<{ found: Examination; notes: Evaluation[] }> {
  const letter = await letterOf(setUp)
  zone = new ZoneResolver(world, setUp.zone ?? {})
  const notes: Evaluation[] = []
  const examiner = createLetterExaminer(
    {
      verifier: pool,
      dns,
      directory,
      journal: { note: (it) => notes.push(it) },
      clock,
      logger: silentLogger,
      keys: () => [],
    },
    { hostName: 'mx.test.com', isTrusted: () => false, policy: { ...defaultAuthenticationPolicy, ...setUp.policy } },
  )
  const source = {
    kind: 'smtp' as const,
    remoteAddress: setUp.ip ?? '192.0.2.1',
    remoteName: '',
    helo: setUp.helo ?? '[192.0.2.1]',
    tls: null,
    protocol: 'ESMTP',
    account: null,
  }
  const found = await examiner.examine(
    {
      id: 'q',
      source,
      from: setUp.mail ?? 'a@strict.example',
      recipients: ['b@test.com'],
      bytes: once(letter),
      size: letter.length,
      leaves: false,
    },
    signal,
  )
  return { found, notes }
}

/** The results of one method in Authentication-Results, in order, without their properties. */
function resultsOf(fields: string, method: string): string {
  return [...fields.matchAll(new RegExp(`[;\\s]${method}=(\\w+)`, 'g'))].map((match) => match[1]).join(' ')
}

const signedBy = (d: string, more: Partial<NonNullable<SetUp['sign']>[number]> = {}) => ({ sign: [{ d, ...more }] })
const elsewhere = { ip: '198.51.100.7', mail: 'x@bounce.example' }
const from = (address: string) => ({ from: [`From: ${address}`] })
const spf = (record: string | readonly string[], more: Zone = {}) => ({
  mail: 'x@s.example',
  from: ['From: x@plain.example'],
  zone: { 'TXT s.example': record, ...more },
})
const passedAt = 'mx.list.example; dmarc=pass header.from=strict.example'
const rejected = 'refuse 550 5.7.1'
const again = 'refuse 451 4.7.0'
const edited = (pattern: RegExp, by: string) => ({ edit: (field: string) => field.replace(pattern, by) })

const rows: readonly [string, SetUp, Expected][] = [
  /* ---------------------------------------------------------------- SPF (RFC 7208) */
  ['SPF: the address is listed', spf('v=spf1 ip4:192.0.2.1 -all'), { spf: 'pass', verdict: 'take' }],
  ['SPF: in a listed network', spf('v=spf1 ip4:192.0.2.0/24 -all'), { spf: 'pass', verdict: 'take' }],
  [
    'SPF: not listed, -all',
    { ...spf('v=spf1 ip4:192.0.2.1 -all'), ip: '198.51.100.1' },
    { spf: 'fail', verdict: 'take' },
  ],
  ['SPF: not listed, ~all', { ...spf('v=spf1 ~all') }, { spf: 'softfail', verdict: 'take' }],
  ['SPF: not listed, ?all', { ...spf('v=spf1 ?all') }, { spf: 'neutral', verdict: 'take' }],
  ['SPF: nothing matches, no all (§4.7)', { ...spf('v=spf1 ip4:198.51.100.1') }, { spf: 'neutral', verdict: 'take' }],
  ['SPF: no record', { ...spf('hello') }, { spf: 'none', verdict: 'take' }],
  [
    'SPF: no such domain',
    { ...elsewhere, mail: 'x@nowhere.example', ...from('x@plain.example') },
    { spf: 'none', verdict: 'take' },
  ],
  ['SPF: two records (§4.5)', spf(['v=spf1 -all', 'v=spf1 +all']), { spf: 'permerror', verdict: 'take' }],
  ['SPF: a term that is none (§4.6)', spf('v=spf1 ip4:192.0.2.1 nonsense -all'), { spf: 'permerror', verdict: 'take' }],
  [
    'SPF: include passes',
    spf('v=spf1 include:i.example -all', { 'TXT i.example': 'v=spf1 ip4:192.0.2.1 -all' }),
    { spf: 'pass', verdict: 'take' },
  ],
  ['SPF: include of nothing (§5.2)', spf('v=spf1 include:i.example -all'), { spf: 'permerror', verdict: 'take' }],
  [
    'SPF: redirect (§6.1)',
    spf('v=spf1 redirect=r.example', { 'TXT r.example': 'v=spf1 -all' }),
    { spf: 'fail', verdict: 'take' },
  ],
  ['SPF: a', spf('v=spf1 a -all', { 'A s.example': ['192.0.2.8', '192.0.2.1'] }), { spf: 'pass', verdict: 'take' }],
  [
    'SPF: mx',
    spf('v=spf1 mx -all', { 'MX s.example': '10 m.s.example', 'A m.s.example': '192.0.2.1' }),
    { spf: 'pass', verdict: 'take' },
  ],
  [
    'SPF: exists with macros (§7)',
    spf('v=spf1 exists:%{ir}.%{v}.%{d} -all', { 'A 1.2.0.192.in-addr.s.example': '127.0.0.2' }),
    { spf: 'pass', verdict: 'take' },
  ],
  [
    'SPF: ptr',
    spf('v=spf1 ptr:s.example -all', { 'PTR 192.0.2.1': 'm.s.example', 'A m.s.example': '192.0.2.1' }),
    { spf: 'pass', verdict: 'take' },
  ],
  ['SPF: IPv6', { ...spf('v=spf1 ip6:2001:db8::/32 -all'), ip: '2001:db8::7' }, { spf: 'pass', verdict: 'take' }],
  [
    'SPF: IPv4 in IPv6 clothes (§5)',
    { ...spf('v=spf1 ip4:192.0.2.1 -all'), ip: '::ffff:192.0.2.1' },
    { spf: 'pass', verdict: 'take' },
  ],
  [
    'SPF: eleven look-ups (§4.6.4)',
    spf(
      `v=spf1 ${Array.from({ length: 11 }, (_, i) => `exists:e${i}.s.example`).join(' ')} -all`,
      Object.fromEntries(Array.from({ length: 11 }, (_, i) => [`TXT e${i}.s.example`, 'x'])),
    ),
    { spf: 'permerror', verdict: 'take' },
  ],
  [
    'SPF: three that find nothing (§4.6.4)',
    spf('v=spf1 a:n1.example a:n2.example a:n3.example ip4:192.0.2.1 -all'),
    { spf: 'permerror', verdict: 'take' },
  ],
  ['SPF: the DNS is silent', { ...spf('x', { 'SERVFAIL s.example': '' }) }, { spf: 'temperror', verdict: 'take' }],
  [
    'SPF: the same, where all trouble is to come again',
    { ...spf('x', { 'SERVFAIL s.example': '' }), policy: { dnsTrouble: 'retry' } },
    { verdict: 'refuse 451 4.7.24' },
  ],
  [
    'SPF: a bounce is checked by HELO (§2.4)',
    { mail: '', helo: 'mx.helo.example', from: ['From: x@mx.helo.example'] },
    { spf: 'pass', dmarc: 'none', verdict: 'take' },
  ],
  [
    'SPF: HELO beside MAIL FROM (§2.3)',
    { helo: 'mx.helo.example', mail: 'x@lax.example', ip: '192.0.2.1', ...from('x@lax.example') },
    { spf: 'pass pass', verdict: 'take' },
  ],
  [
    'SPF: HELO alone does not count for DMARC',
    { ...elsewhere, ip: '192.0.2.1', helo: 'strict.example' },
    { spf: 'pass pass', dmarc: 'fail', verdict: rejected },
  ],
  [
    'SPF: fail refuses where that is set',
    { ...spf('v=spf1 -all'), policy: { spfFail: 'refuse' } },
    { verdict: 'refuse 550 5.7.23' },
  ],
  [
    'SPF: fail is let be where DMARC passes',
    { ip: '198.51.100.1', ...signedBy('strict.example'), policy: { spfFail: 'refuse' } },
    { spf: 'fail', dmarc: 'pass', verdict: 'take' },
  ],

  /* ---------------------------------------------------------------- DKIM (RFC 6376, 8301, 8463) */
  ['DKIM: RSA', { ...elsewhere, ...signedBy('strict.example') }, { dkim: 'pass', dmarc: 'pass', verdict: 'take' }],
  [
    'DKIM: Ed25519',
    { ...elsewhere, ...signedBy('strict.example', { key: keys.ed }) },
    { dkim: 'pass', dmarc: 'pass', verdict: 'take' },
  ],
  ['DKIM: none', { ...elsewhere }, { dkim: 'none', dmarc: 'fail', verdict: rejected }],
  [
    'DKIM: one of two is good',
    { ...elsewhere, sign: [{ d: 'strict.example', s: 'missing' }, { d: 'strict.example' }] },
    { dkim: 'permerror pass', dmarc: 'pass', verdict: 'take' },
  ],
  [
    'DKIM: the body was changed',
    { ...elsewhere, ...signedBy('strict.example'), tamper: (it) => it.replace('hello', 'hullo') },
    { dkim: 'fail', verdict: rejected },
  ],
  [
    'DKIM: a signed field was changed',
    { ...elsewhere, ...signedBy('strict.example'), tamper: (it) => it.replace('Subject: x', 'Subject: y') },
    { dkim: 'fail', verdict: rejected },
  ],
  [
    'DKIM: spaces and case that relaxed lets be (§3.4.2)',
    { ...elsewhere, ...signedBy('strict.example'), tamper: (it) => it.replace('Subject: x', 'SUBJECT:   x  ') },
    { dkim: 'pass', verdict: 'take' },
  ],
  [
    'DKIM: a second Subject is put on top',
    { ...elsewhere, ...signedBy('strict.example'), tamper: (it) => `Subject: free\r\n${it}` },
    { dkim: 'fail', verdict: rejected },
  ],
  [
    'DKIM: no key',
    { ...elsewhere, ...signedBy('strict.example', { s: 'missing' }) },
    { dkim: 'permerror', verdict: rejected },
  ],
  [
    'DKIM: a key that was revoked (§3.6.1)',
    { ...elsewhere, ...signedBy('strict.example', { s: 'revoked' }) },
    { dkim: 'permerror', verdict: rejected },
  ],
  [
    'DKIM: a key for SHA-1 only (§3.6.1)',
    { ...elsewhere, ...signedBy('strict.example', { s: 'sha1only' }) },
    { dkim: 'permerror', verdict: rejected },
  ],
  [
    'DKIM: a key that is not for mail (§3.6.1)',
    { ...elsewhere, ...signedBy('strict.example', { s: 'notmail' }) },
    { dkim: 'permerror', verdict: rejected },
  ],
  [
    'DKIM: a key of the other kind (§6.1.2)',
    { ...elsewhere, ...signedBy('strict.example', { s: 'wrongtype' }) },
    { dkim: 'permerror', verdict: rejected },
  ],
  [
    'DKIM: a key record of another version',
    { ...elsewhere, ...signedBy('strict.example', { s: 'v2' }) },
    { dkim: 'permerror', verdict: rejected },
  ],
  [
    'DKIM: somebody else’s key',
    { ...elsewhere, ...signedBy('strict.example', { key: keys.other, s: 'rsa' }) },
    { dkim: 'fail', verdict: rejected },
  ],
  [
    'DKIM: 512 bits (RFC 8301 §3.2)',
    { ...elsewhere, ...signedBy('strict.example', { key: keys.weak }) },
    { dkim: 'policy', verdict: rejected },
  ],
  [
    'DKIM: rsa-sha1 (RFC 8301 §3.1)',
    { ...elsewhere, ...signedBy('strict.example', edited(/a=rsa-sha256/, 'a=rsa-sha1')) },
    { dkim: 'fail', verdict: rejected },
  ],
  [
    'DKIM: From is not signed (§5.4)',
    { ...elsewhere, ...signedBy('strict.example', edited(/h=From:From:/, 'h=')) },
    { dkim: 'neutral', verdict: rejected },
  ],
  [
    'DKIM: expired (§3.5)',
    { ...elsewhere, foreign: { domain: 'strict.example', expires: new Date(1_700_000_000_000) } },
    { dkim: 'neutral', verdict: rejected },
  ],
  [
    'DKIM: not expired yet',
    { ...elsewhere, foreign: { domain: 'strict.example', expires: new Date(9_000_000_000_000) } },
    { dkim: 'pass', verdict: 'take' },
  ],
  [
    'DKIM: simple/simple',
    { ...elsewhere, foreign: { domain: 'strict.example', canonicalization: 'simple/simple' } },
    { dkim: 'pass', verdict: 'take' },
  ],
  [
    'DKIM: simple: a space is a change (§3.4.1)',
    {
      ...elsewhere,
      foreign: { domain: 'strict.example', canonicalization: 'simple/simple' },
      tamper: (it) => it.replace('Subject: x', 'Subject:  x'),
    },
    { dkim: 'fail', verdict: rejected },
  ],
  [
    'DKIM: another program’s Ed25519 (RFC 8463)',
    { ...elsewhere, foreign: { domain: 'strict.example', selector: 'ed', key: keys.ed } },
    { dkim: 'pass', verdict: 'take' },
  ],
  [
    'DKIM: l= covers all',
    { ...elsewhere, foreign: { domain: 'strict.example', length: 7 } },
    { dkim: 'pass', verdict: 'take' },
  ],
  [
    'DKIM: l= leaves out what was put behind (§8.2)',
    {
      ...elsewhere,
      foreign: { domain: 'strict.example', length: 7 },
      tamper: (it) => `${it}buy
`,
    },
    { dkim: 'policy', verdict: rejected },
  ],
  [
    'DKIM: a true rsa-sha1 (RFC 8301 §3.1)',
    { ...elsewhere, foreign: { domain: 'strict.example', algorithm: 'rsa-sha1' } },
    { dkim: 'policy', verdict: rejected },
  ],
  [
    'DKIM: i= below d=',
    { ...elsewhere, foreign: { domain: 'strict.example', identity: 'a@news.strict.example' } },
    { dkim: 'pass', verdict: 'take' },
  ],
  [
    'DKIM: i= below d=, and the key forbids it (t=s, §3.6.1)',
    { ...elsewhere, foreign: { domain: 'strict.example', selector: 'exact', identity: 'a@news.strict.example' } },
    { dkim: 'neutral', verdict: rejected },
  ],
  [
    'DKIM: without d=',
    { ...elsewhere, ...signedBy('strict.example', edited(/d=strict\.example; /, '')) },
    { dkim: 'neutral', verdict: rejected },
  ],
  [
    'DKIM: v=2 (§6.1.1)',
    { ...elsewhere, ...signedBy('strict.example', edited(/v=1/, 'v=2')) },
    { dkim: 'neutral', verdict: rejected },
  ],
  [
    'DKIM: i= outside d= (§6.1.1)',
    { ...elsewhere, ...signedBy('strict.example', edited(/d=strict/, 'i=@evil.example; d=strict')) },
    { dkim: 'neutral', verdict: rejected },
  ],
  [
    'DKIM: an algorithm that nobody knows',
    { ...elsewhere, ...signedBy('strict.example', edited(/a=rsa-sha256/, 'a=rsa-sha512')) },
    { dkim: 'neutral', verdict: rejected },
  ],
  [
    'DKIM: a canonicalization without its first word (§3.5)',
    { ...elsewhere, ...signedBy('strict.example', edited(/c=relaxed/, 'c=')) },
    { dkim: 'neutral', verdict: rejected },
  ],
  [
    'DKIM: the key’s server is silent',
    { ...elsewhere, ...signedBy('strict.example', { s: 'dead' }) },
    { dkim: 'temperror', verdict: again },
  ],
  [
    'DKIM: the same, where trouble is let be',
    { ...elsewhere, ...signedBy('strict.example', { s: 'dead' }), policy: { dnsTrouble: 'accept' } },
    { dkim: 'temperror', dmarc: 'temperror', verdict: 'take' },
  ],
  [
    'DKIM: a stranger’s silent server does not keep a forgery from being refused',
    { ...elsewhere, ...signedBy('evil.test', { s: 'dead' }), zone: { 'SERVFAIL dead._domainkey.evil.test': '' } },
    { verdict: rejected },
  ],

  /* ---------------------------------------------------------------- DMARC (RFC 9989) */
  ['DMARC: SPF in alignment', {}, { spf: 'pass', dmarc: 'pass', verdict: 'take' }],
  [
    'DMARC: SPF passes for somebody else',
    { ...elsewhere, ip: '192.0.2.1' },
    { spf: 'pass', dmarc: 'fail', verdict: rejected },
  ],
  [
    'DMARC: DKIM passes for somebody else',
    { ...elsewhere, ...signedBy('stranger.example') },
    { dkim: 'pass', dmarc: 'fail', verdict: rejected },
  ],
  [
    'DMARC: relaxed: the signer stands below the author',
    { ...elsewhere, ...signedBy('news.strict.example') },
    { dmarc: 'pass', verdict: 'take' },
  ],
  [
    'DMARC: relaxed: the author stands below the signer',
    { ...elsewhere, ...from('a@news.strict.example'), ...signedBy('strict.example') },
    { dmarc: 'pass', verdict: 'take' },
  ],
  [
    'DMARC: relaxed: two that stand side by side',
    { ...elsewhere, ...from('a@shop.strict.example'), ...signedBy('news.strict.example') },
    { dmarc: 'pass', verdict: 'take' },
  ],
  [
    'DMARC: adkim=s: below is not enough',
    { ...elsewhere, ...from('a@exact.example'), ...signedBy('sub.exact.example') },
    { dkim: 'pass', dmarc: 'fail', verdict: rejected },
  ],
  [
    'DMARC: adkim=s: the very same',
    { ...elsewhere, ...from('a@exact.example'), ...signedBy('exact.example') },
    { dmarc: 'pass', verdict: 'take' },
  ],
  [
    'DMARC: aspf=s: below is not enough',
    { mail: 'a@sub.exact.example', ...from('a@exact.example') },
    { spf: 'pass', dmarc: 'fail', verdict: rejected },
  ],
  ['DMARC: p=quarantine', { ...elsewhere, ...from('a@quarantine.example') }, { dmarc: 'fail', verdict: 'junk' }],
  ['DMARC: p=none', { ...elsewhere, ...from('a@lax.example') }, { dmarc: 'fail', verdict: 'take' }],
  [
    'DMARC: sp= for a subdomain that is there',
    { ...elsewhere, ...from('a@sub.quarantine.example') },
    { dmarc: 'fail', verdict: 'take' },
  ],
  [
    'DMARC: np= for one that is not (§4.7)',
    { ...elsewhere, ...from('a@made-up.quarantine.example') },
    { dmarc: 'fail', verdict: rejected },
  ],
  [
    'DMARC: a subdomain without sp= has p=',
    { ...elsewhere, ...from('a@made-up.strict.example') },
    { dmarc: 'fail', verdict: rejected },
  ],
  [
    'DMARC: t=y takes one step back (§4.7)',
    { ...elsewhere, ...from('a@t.example'), zone: { 'TXT _dmarc.t.example': 'v=DMARC1; p=reject; t=y' } },
    { dmarc: 'fail', verdict: 'junk' },
  ],
  [
    'DMARC: pct= is nothing any more',
    { ...elsewhere, ...from('a@t.example'), zone: { 'TXT _dmarc.t.example': 'v=DMARC1; p=reject; pct=0' } },
    { dmarc: 'fail', verdict: rejected },
  ],
  ['DMARC: no record', { ...elsewhere, ...from('a@plain.example') }, { dmarc: 'none', verdict: 'take' }],
  [
    'DMARC: two records count as none (§4.10)',
    {
      ...elsewhere,
      ...from('a@t.example'),
      zone: { 'TXT _dmarc.t.example': ['v=DMARC1; p=reject', 'v=DMARC1; p=none'] },
    },
    { dmarc: 'none', verdict: 'take' },
  ],
  [
    'DMARC: a record that does not begin with v= is none',
    { ...elsewhere, ...from('a@t.example'), zone: { 'TXT _dmarc.t.example': 'p=reject; v=DMARC1' } },
    { dmarc: 'none', verdict: 'take' },
  ],
  [
    'DMARC: a wrong p= with rua= is p=none (§4.10.1)',
    {
      ...elsewhere,
      ...from('a@t.example'),
      zone: { 'TXT _dmarc.t.example': 'v=DMARC1; p=deny; rua=mailto:a@t.example' },
    },
    { dmarc: 'fail', verdict: 'take' },
  ],
  [
    'DMARC: a wrong p= without rua= is nothing',
    { ...elsewhere, ...from('a@t.example'), zone: { 'TXT _dmarc.t.example': 'v=DMARC1; p=deny' } },
    { dmarc: 'none', verdict: 'take' },
  ],
  [
    'DMARC: a public suffix speaks for names below it (psd=y)',
    { ...elsewhere, ...from('a@own.bank') },
    { dmarc: 'fail', verdict: 'junk' },
  ],
  [
    'DMARC: and for names that are not there (np=)',
    { ...elsewhere, ...from('a@made-up.bank') },
    { dmarc: 'fail', verdict: rejected },
  ],
  [
    'DMARC: not where the organisation has its own',
    { ...elsewhere, ...from('a@listed.bank') },
    { dmarc: 'fail', verdict: 'take' },
  ],
  [
    'DMARC: two organisations below a public suffix are not one',
    { ...elsewhere, ...from('a@own.bank'), ...signedBy('other.bank') },
    { dkim: 'pass', dmarc: 'fail', verdict: 'junk' },
  ],
  [
    'DMARC: one organisation below it is',
    { ...elsewhere, ...from('a@own.bank'), ...signedBy('mail.own.bank') },
    { dmarc: 'pass', verdict: 'take' },
  ],
  [
    'DMARC: psd=n: the organisation ends here',
    { ...elsewhere, ...from('a@faculty.uni.example'), ...signedBy('uni.example') },
    { dkim: 'pass', dmarc: 'fail', verdict: rejected },
  ],
  [
    'DMARC: psd=n: and what is below belongs to it',
    { ...elsewhere, ...from('a@faculty.uni.example'), ...signedBy('lab.faculty.uni.example') },
    { dmarc: 'pass', verdict: 'take' },
  ],
  [
    'DMARC: a walk from a deep name finds the record eight questions up',
    { ...elsewhere, ...from('a@a.b.c.d.e.f.g.h.i.strict.example') },
    { dmarc: 'fail', verdict: rejected },
  ],
  [
    'DMARC: the policy’s server is silent',
    { ...elsewhere, ...from('a@t.example'), zone: { 'SERVFAIL _dmarc.t.example': '' } },
    { dmarc: 'temperror', verdict: 'take' },
  ],
  [
    'DMARC: the same, where all trouble is to come again',
    {
      ...elsewhere,
      ...from('a@t.example'),
      zone: { 'SERVFAIL _dmarc.t.example': '' },
      policy: { dnsTrouble: 'retry' },
    },
    { verdict: again },
  ],
  [
    'DMARC: SPF of the author’s domain has no answer',
    { ip: '198.51.100.1', zone: { 'SERVFAIL strict.example': '' } },
    { verdict: again },
  ],
  [
    'DMARC: quarantined at the most',
    { ...elsewhere, policy: { dmarc: 'quarantine' } },
    { dmarc: 'fail', verdict: 'junk' },
  ],
  ['DMARC: only written down', { ...elsewhere, policy: { dmarc: 'record' } }, { dmarc: 'fail', verdict: 'take' }],
  [
    'DMARC: two From fields (RFC 5322 §3.6)',
    { from: ['From: a@strict.example', 'From: b@plain.example'], ...signedBy('strict.example') },
    { verdict: 'refuse 550 5.6.0' },
  ],
  ['DMARC: no From', { from: [] }, { dmarc: 'none', verdict: 'junk' }],
  [
    'DMARC: authors of two domains (§5.3.1)',
    { from: ['From: a@plain.example, b@strict.example'] },
    { dmarc: 'none', verdict: 'junk' },
  ],
  [
    'DMARC: two authors of one domain',
    { from: ['From: a@strict.example, b@Strict.Example'] },
    { dmarc: 'pass', verdict: 'take' },
  ],
  [
    'DMARC: a group (RFC 6854)',
    { ...elsewhere, from: ['From: Board: a@strict.example, b@strict.example;'] },
    { dmarc: 'fail', verdict: rejected },
  ],
  ['DMARC: an empty group', { from: ['From: undisclosed:;'] }, { dmarc: 'none', verdict: 'junk' }],
  ['DMARC: an address literal', { ...elsewhere, from: ['From: a@[192.0.2.1]'] }, { dmarc: 'none', verdict: 'junk' }],
  [
    'DMARC: another address in the name that is shown',
    { ...elsewhere, from: ['From: "a@plain.example" <a@strict.example>'] },
    { dmarc: 'fail', verdict: rejected },
  ],
  [
    'DMARC: U-labels are A-labels (RFC 8616)',
    { mail: 'a@bücher.example', from: ['From: a@bücher.example'] },
    { spf: 'pass', dmarc: 'pass', verdict: 'take' },
  ],
  ['DMARC: and fail as such', { ...elsewhere, from: ['From: a@Bücher.example'] }, { dmarc: 'fail', verdict: rejected }],

  /* ---------------------------------------------------------------- ARC (RFC 8617) */
  [
    'ARC: a trusted list saw it pass',
    { ...elsewhere, seal: [{ d: 'list.example', says: passedAt }], policy: { trustedSealers: ['list.example'] } },
    { arc: 'pass', dmarc: 'fail', verdict: 'take' },
  ],
  [
    'ARC: nobody trusts the list',
    { ...elsewhere, seal: [{ d: 'list.example', says: passedAt }] },
    { arc: 'pass', verdict: rejected },
  ],
  [
    'ARC: a trusted list saw it fail',
    {
      ...elsewhere,
      seal: [{ d: 'list.example', says: 'mx.list.example; dmarc=fail header.from=strict.example' }],
      policy: { trustedSealers: ['list.example'] },
    },
    { arc: 'pass', verdict: rejected },
  ],
  [
    'ARC: it saw another author pass',
    {
      ...elsewhere,
      seal: [{ d: 'list.example', says: 'mx.list.example; dmarc=pass header.from=plain.example' }],
      policy: { trustedSealers: ['list.example'] },
    },
    { arc: 'pass', verdict: rejected },
  ],
  [
    'ARC: only a stranger says that it passed',
    {
      ...elsewhere,
      seal: [
        { d: 'stranger.example', says: passedAt },
        { d: 'list.example', says: 'mx.list.example; dmarc=fail header.from=strict.example' },
      ],
      policy: { trustedSealers: ['list.example'] },
    },
    { arc: 'pass', verdict: rejected },
  ],
  [
    'ARC: what stands in a comment is not said',
    {
      ...elsewhere,
      seal: [
        {
          d: 'list.example',
          says: 'mx.list.example; dmarc=fail (; dmarc=pass header.from=strict.example ) header.from=strict.example',
        },
      ],
      policy: { trustedSealers: ['list.example'] },
    },
    { arc: 'pass', verdict: rejected },
  ],
  [
    'ARC: two trusted hops',
    {
      ...elsewhere,
      seal: [
        { d: 'list.example', says: passedAt },
        { d: 'list.example', says: 'mx2.list.example; dmarc=fail header.from=strict.example; arc=pass' },
      ],
      policy: { trustedSealers: ['list.example'] },
    },
    { arc: 'pass', verdict: 'take' },
  ],
  [
    'ARC: changed after it was sealed',
    {
      ...elsewhere,
      seal: [{ d: 'list.example', says: passedAt }],
      breakSeal: (it) => it.replace('hello', 'hullo'),
      policy: { trustedSealers: ['list.example'] },
    },
    { arc: 'fail', verdict: rejected },
  ],
  [
    'ARC: what a sealer said was changed',
    {
      ...elsewhere,
      seal: [{ d: 'list.example', says: 'mx.list.example; dmarc=fail header.from=strict.example' }],
      breakSeal: (it) => it.replace('dmarc=fail', 'dmarc=pass'),
      policy: { trustedSealers: ['list.example'] },
    },
    { arc: 'fail', verdict: rejected },
  ],
  [
    'ARC: a set is missing',
    {
      ...elsewhere,
      seal: [{ d: 'list.example', says: passedAt }],
      breakSeal: (it) => it.replace(/i=1;/g, 'i=2;'),
      policy: { trustedSealers: ['list.example'] },
    },
    { arc: 'fail', verdict: rejected },
  ],
  [
    'ARC: the chain says that it failed before (§5.2)',
    {
      ...elsewhere,
      seal: [
        { d: 'list.example', says: passedAt },
        { d: 'list.example', says: 'x; arc=fail', cv: 'fail' },
      ],
      policy: { trustedSealers: ['list.example'] },
    },
    { arc: 'fail', verdict: rejected },
  ],
  [
    'ARC: no seal at all',
    { ...elsewhere, policy: { trustedSealers: ['list.example'] } },
    { arc: '', verdict: rejected },
  ],
]

test(`${rows.length} set-ups, each with the verdict that its RFC fixes`, async (t) => {
  assert.ok(rows.length >= 60)
  for (const [name, setUp, expected] of rows) {
    await t.test(name, async () => {
      const { found } = await examine(setUp)
      const verdict = found.verdict === 'refuse' ? `refuse ${found.code} ${found.status}` : found.verdict
      const fields = found.verdict === 'refuse' ? '' : found.fields
      const why = JSON.stringify(found)
      assert.equal(verdict, expected.verdict, why)
      // A refused letter has no fields to look at: the same one is let in, to see what was found.
      const shown = fields || ((await examine({ ...setUp, policy: openDoor })).found as { fields: string }).fields || ''
      for (const method of ['spf', 'dkim', 'arc', 'dmarc'] as const) {
        const wanted = expected[method]
        if (wanted !== undefined) assert.equal(resultsOf(shown, method), wanted, shown)
      }
    })
  }
})

const openDoor: Partial<AuthenticationPolicy> = { dmarc: 'record', dnsTrouble: 'accept', spfFail: 'record' }

test('the journal hears what was done, and why it was not what the policy says', async () => {
  const noteOf = async (setUp: SetUp) => {
    const [note] = (await examine(setUp)).notes
    return (
      note && `${note.disposition} ${note.overrideReason} ${note.dkimAligned} ${note.spfAligned} ${note.policyDomain}`
    )
  }
  assert.equal(await noteOf({ ...elsewhere }), 'reject  false false strict.example')
  assert.equal(
    await noteOf({ ...elsewhere, policy: { dmarc: 'quarantine' } }),
    'quarantine local_policy false false strict.example',
  )
  assert.equal(
    await noteOf({ ...elsewhere, policy: { dmarc: 'record' } }),
    'none local_policy false false strict.example',
  )
  assert.equal(
    await noteOf({ ...elsewhere, ...from('a@sub.quarantine.example') }),
    'none  false false quarantine.example',
  )
  assert.equal(await noteOf({ ...signedBy('strict.example') }), 'none  true true strict.example')
  assert.equal(
    await noteOf({
      ...elsewhere,
      seal: [{ d: 'list.example', says: passedAt }],
      policy: { trustedSealers: ['list.example'] },
    }),
    'none trusted_forwarder false false strict.example',
  )
  // No record, nothing to report; to come again, nothing yet.
  assert.equal(await noteOf({ ...elsewhere, ...from('a@plain.example') }), undefined)
  assert.equal(await noteOf({ ...elsewhere, ...signedBy('strict.example', { s: 'dead' }) }), undefined)
  const { notes } = await examine({ ...elsewhere, ...signedBy('stranger.example') })
  assert.deepEqual(notes[0]?.dkim, [{ domain: 'stranger.example', selector: 'rsa', result: 'pass', humanResult: '' }])
  assert.deepEqual(notes[0]?.spf, { domain: 'bounce.example', scope: 'mfrom', result: 'fail' })
})

test('Authentication-Results holds nothing that could break out of it', async () => {
  const { found } = await examine({
    mail: 'x@lax.example',
    from: ['From: x@lax.example'],
    sign: [{ d: 'lax.example', s: 'a;b', edit: (field) => field.replace('s=a;b', 's=a"(\\b') }],
  })
  assert.equal(found.verdict, 'take')
  const { fields } = found as { fields: string }
  assert.match(fields, /^Authentication-Results: mx\.test\.com;\r\n\t/)
  for (const line of fields.split('\r\n').slice(1, -1)) assert.match(line, /^\t[ -~]+$/)
})
