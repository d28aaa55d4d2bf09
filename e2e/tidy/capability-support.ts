// What the front doors advertise, what implements it and what shows it: the second half of docs/protocols/support.md.
// A test shows a capability when a line of it says so: `# capability: SORT, ESORT` in a transcript, `// capability: …` in a test.
import { readFileSync, readdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { repositoryRoot, sourceFiles } from './source-files.ts'

const protocols = ['imap', 'pop3', 'smtp'] as const
type Protocol = (typeof protocols)[number]

export interface CapabilityRow {
  protocol: Protocol
  name: string
  /** A draft or a company where no RFC has it. */
  rfc: string
  /** Commands as the index names them. */
  commands: string[]
  isAdvertised: boolean
  /** Files that show it, relative to the root. */
  shownBy: string[]
}

export interface Transcript {
  path: string
  protocol: Protocol
  capabilities: string[]
  rfcs: string[]
}

/** Words in the code that lists capabilities, beside capabilities. */
const otherWords = new Set(['not-authenticated', 'authenticated', 'selected', 'authorization', 'transaction', 'lines'])

const isNumber = (rfc: string) => /^\d+$/.test(rfc)

function read(path: string): string {
  return readFileSync(join(repositoryRoot, path), 'utf8')
}

/** `APPENDLIMIT=67108864`, `EXPIRE NEVER` and `SIZE 1` are known by their first part; `THREAD=REFERENCES` is whole. */
function nameOf(literal: string): string {
  const word = (literal.split(' ')[0] as string).replace(/\$\{.*$/, '')
  return /^(?:APPENDLIMIT|MESSAGELIMIT|SAVELIMIT|UIDBATCHES)=/.test(word)
    ? (word.split('=')[0] as string)
    : word.replace(/^RIGHTS=.*/, 'RIGHTS=')
}

function literalsOf(code: string): string[] {
  const bare = code.replace(/^\s*(?:import|\/\/|\/\*\*|\*).*$/gm, '')
  return [...bare.matchAll(/'([^'\n]+)'|`([^`\n]+)`/g)].map((match) => (match[1] ?? match[2]) as string)
}

/** Names of SASL mechanisms in the order in which they stand in the code. */
function mechanisms(): string[] {
  const names = new Set<string>()
  for (const file of sourceFiles()) {
    if (file.isTest || !file.path.startsWith('packages/accounts/src/sasl/')) continue
    for (const match of file.text.matchAll(/'((?:SCRAM-[A-Z0-9-]+|PLAIN|LOGIN|EXTERNAL|OAUTHBEARER|XOAUTH2))'/g)) {
      names.add(match[1] as string)
    }
  }
  return [...names]
}

const capabilityName = /^[A-Z0-9][A-Za-z0-9]*(?:[+=-][A-Z0-9+=-]*)?$/

/** What the code of a front door says it can do, read from the lists themselves. */
export function advertised(protocol: Protocol): Set<string> {
  const names = new Set<string>()
  const take = (literal: string) => {
    const name = nameOf(literal)
    if (name === 'AUTH=' && protocol === 'imap') for (const mechanism of mechanisms()) names.add(`AUTH=${mechanism}`)
    else if (capabilityName.test(name) && !otherWords.has(name)) names.add(name)
  }
  if (protocol === 'imap') {
    const rows = /\{ name: (?:'([^']+)'|[^\n]*?`([^`]+)`)/g
    for (const match of read('packages/imap/src/capabilities.ts').matchAll(rows)) take((match[1] ?? match[2]) as string)
  }
  if (protocol === 'pop3') {
    const text = read('packages/pop3/src/commands/capa.ts')
    for (const literal of literalsOf(text.slice(text.indexOf('run(')))) if (/^[A-Z]/.test(literal)) take(literal)
  }
  if (protocol === 'smtp') {
    const lines = read('packages/smtp/src/extensions.ts').match(/^.*\bfeatures\b.*$/gm) ?? []
    for (const literal of literalsOf(lines.join('\n'))) if (/^[A-Z0-9]/.test(literal)) take(literal)
  }
  return names
}

/** Command name -> file, for every `name: 'STORE'` of a command's own file. */
function commandFiles(protocol: Protocol): Map<string, string> {
  const found = new Map<string, string>()
  for (const file of sourceFiles()) {
    if (file.isTest || !file.path.startsWith(`packages/${protocol}/src/commands/`)) continue
    for (const match of file.text.matchAll(/\bname: '([A-Z][A-Z0-9 ]*)'/g)) found.set(match[1] as string, file.path)
    for (const match of file.text.matchAll(/'((?:UID )?[A-Z]{3,})'/g)) {
      if (!found.has(match[1] as string)) found.set(match[1] as string, file.path)
    }
  }
  return found
}

function listed(text: string): string[] {
  return text
    .split(/[,\s]\s*/)
    .map((word) => word.trim())
    .filter((word) => word !== '')
}

export function transcripts(): Transcript[] {
  return protocols.flatMap((protocol) => {
    const directory = `packages/${protocol}/test/transcripts`
    return readdirSync(join(repositoryRoot, directory))
      .filter((name) => name.endsWith('.txt'))
      .sort()
      .map((name) => {
        const path = `${directory}/${name}`
        const comments = (read(path).match(/^#.*$/gm) ?? []).join('\n')
        return {
          path,
          protocol,
          capabilities: [...comments.matchAll(/^# capability: (.+)$/gm)].flatMap((match) => listed(match[1] as string)),
          rfcs: [...comments.matchAll(/\bRFC (\d{3,5})\b/g)].map((match) => match[1] as string),
        }
      })
  })
}

/** Tests other than transcripts that say which capability they show. */
function showingTests(): { path: string; protocol: Protocol; capabilities: string[] }[] {
  return sourceFiles().flatMap((file) => {
    if (!file.path.endsWith('.test.ts')) return []
    return [...file.text.matchAll(/^\s*\/\/ capability: (imap|pop3|smtp) (.+)$/gm)].map((match) => ({
      path: file.path,
      protocol: match[1] as Protocol,
      capabilities: listed(match[2] as string),
    }))
  })
}

export function capabilityRows(): CapabilityRow[] {
  const shown = [...transcripts(), ...showingTests()]
  const tables = new Map(protocols.map((protocol) => [protocol, advertised(protocol)]))
  return read('docs/protocols/capability-index.tsv')
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => {
      const [protocol, name, rfc, commands] = line.split('\t') as [Protocol, string, string, string]
      return {
        protocol,
        name,
        rfc,
        commands:
          commands === '-' ? [] : listed(commands.replaceAll('UID ', 'UID_')).map((word) => word.replace('_', ' ')),
        isAdvertised: tables.get(protocol)?.has(name) ?? false,
        shownBy: shown
          .filter((test) => test.protocol === protocol && test.capabilities.includes(name))
          .map((test) => test.path),
      }
    })
}

/** Everything that does not fit together, one sentence each. */
export function capabilityProblems(): string[] {
  const rows = capabilityRows()
  const rfcStatus = new Map(
    read('docs/protocols/rfc-index.tsv')
      .trim()
      .split('\n')
      .map((line) => line.split('\t'))
      .map((cells) => [cells[0] as string, cells[2] as string]),
  )
  const problems: string[] = []
  for (const protocol of protocols) {
    const known = new Set(rows.filter((row) => row.protocol === protocol).map((row) => row.name))
    for (const name of advertised(protocol)) {
      if (!known.has(name)) problems.push(`${protocol} advertises ${name}, which has no row in capability-index.tsv`)
    }
    for (const transcript of transcripts().filter((one) => one.protocol === protocol)) {
      for (const name of transcript.capabilities) {
        if (!known.has(name))
          problems.push(`${transcript.path} shows ${name}, which has no row in capability-index.tsv`)
      }
      for (const rfc of transcript.rfcs) {
        if (!rfcStatus.has(rfc)) problems.push(`${transcript.path} cites RFC ${rfc}, which has no row in rfc-index.tsv`)
      }
    }
    const files = commandFiles(protocol)
    for (const row of rows.filter((one) => one.protocol === protocol && one.isAdvertised)) {
      problems.push(...proofProblems(row))
      if (isNumber(row.rfc) && (rfcStatus.get(row.rfc) ?? 'planned') === 'planned') {
        problems.push(`${protocol} advertises ${row.name}, but RFC ${row.rfc} is not marked done in rfc-index.tsv`)
      }
      if (protocol === 'smtp') continue
      for (const command of row.commands) {
        if (!files.has(command.replace('UID ', '')))
          problems.push(`${row.name} is said to be in the command ${command}, which is not there`)
      }
    }
  }
  return problems
}

/** Told only to one who has not logged in; SAVELIMIT, only in place of MESSAGELIMIT (RFC 9738 §3). */
const notCounted = /^(?:AUTH=|STARTTLS$|LOGINDISABLED$|SAVELIMIT$)/

/** What its RFC says is played, the refusals too: some test cites it, some test has an answer that is no success. */
function proofProblems({ protocol, name, rfc, shownBy }: CapabilityRow): string[] {
  if (shownBy.length === 0) return [`${protocol} advertises ${name}, which no transcript shows`]
  const texts = shownBy.map(read)
  const problems: string[] = []
  if (isNumber(rfc) && !texts.some((text) => text.includes(`RFC ${rfc}`))) {
    problems.push(`${protocol} advertises ${name}, and no transcript that shows it cites RFC ${rfc}`)
  }
  const refused = /^S\d*~?: .*(?:\b(?:NO|BAD|BYE)\b|-ERR)|^S\d*~?: [45]\d\d|^@closed/m
  const isRefused = texts.some((text, at) => (shownBy[at] as string).endsWith('.ts') || refused.test(text))
  if (!isRefused && !cannotFail.has(name)) {
    problems.push(`${protocol} advertises ${name}, and no transcript that shows it has a refusal`)
  }
  return problems
}

/** Only said, never asked for: there is nothing to get wrong. */
const cannotFail = new Set(['INPROGRESS'])

/** What others advertise to one who is logged in; for comparison with the count of ours. */
const others = { Cyrus: 55, Dovecot: 49, Stalwart: 39, mox: 35, James: 31, WildDuck: 17 }

function tableOf(protocol: Protocol): string[] {
  const files = commandFiles(protocol)
  const rows = capabilityRows().filter((row) => row.protocol === protocol)
  return [
    '| capability | RFC | status | commands | shown by |\n| --- | --- | --- | --- | --- |',
    ...rows.map((row) => {
      const commands = row.commands.map((name) => {
        const file = files.get(name) ?? files.get(name.replace('UID ', ''))
        return row.isAdvertised && file !== undefined ? `[${name}](../../${file})` : name
      })
      const tests = row.shownBy.map((path) => `[${basename(path).replace(/\.(?:txt|test\.ts)$/, '')}](../../${path})`)
      const status = row.isAdvertised ? 'done' : 'planned'
      return `| ${row.name} | ${row.rfc} | ${status} | ${commands.join(', ')} | ${tests.join(', ')} |`
    }),
    '',
  ]
}

export function capabilitySections(): string {
  const count = capabilityRows().filter(
    (row) => row.protocol === 'imap' && row.isAdvertised && !notCounted.test(row.name),
  ).length
  return [
    '## IMAP, by capability\n',
    'From [capability-index.tsv](capability-index.tsv), the lists that the servers send, and the tests that name what they show.',
    '*done* means advertised.\n',
    ...tableOf('imap'),
    `Capabilities told to one who is logged in, beside those of others (counted in 2026): **Skein ${count}**, ${Object.entries(
      others,
    )
      .map(([name, number]) => `${name} ${number}`)
      .join(', ')}.\n`,
    '## POP3\n',
    ...tableOf('pop3'),
    '## SMTP\n',
    ...tableOf('smtp'),
  ].join('\n')
}
