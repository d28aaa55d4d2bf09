// `npm run demo`: three nodes of one domain on this machine, real users, one letter across the mesh, shown step by step.
// With --once it checks what it shows, stops everything, and exits 0 or 1.
import { get } from 'node:http'
import { styleText } from 'node:util'
import { ImapFlow } from 'imapflow'
import { createTransport } from 'nodemailer'
import { Pop3Client } from '../harness/pop3-client.ts'
import { eventually } from '../harness/poll.ts'
import { type SkeinNode, initNode, inviteFrom, joinNode, ports } from '../harness/skein.ts'
import { attachmentName, composeLetter, faultsOf, subject } from './letter.ts'

const once = process.argv.includes('--once')
const password = 'skein-demo'
const domains = ['test.com', 'mailer.com.cn']
const places = [
  { name: 'bj', region: 'mainland', address: '127.0.0.135', users: ['aaa@test.com', 'caohb@mailer.com.cn'] },
  { name: 'hk', region: 'hong-kong', address: '127.0.0.136', users: ['bbb@test.com'] },
  { name: 'tw', region: 'taiwan', address: '127.0.0.137', users: ['ccc@test.com'] },
]

const colour = process.stdout.isTTY
const paint = (style: Parameters<typeof styleText>[0], text: string) => (colour ? styleText(style, text) : text)
const say = (text = '') => process.stdout.write(`${text}\n`)
const heading = (text: string) => say(`\n${paint('bold', text)}`)
const checked: string[] = []
const failed: string[] = []

function check(what: string, holds: boolean): void {
  ;(holds ? checked : failed).push(what)
  say(`  ${holds ? paint('green', '✓') : paint('red', '✗')} ${what}`)
}

async function step<T>(what: string, task: () => Promise<T>): Promise<T> {
  const started = performance.now()
  const result = await task()
  say(`  ${paint('green', '✓')} ${what} ${paint('gray', `${Math.round(performance.now() - started)} ms`)}`)
  return result
}

async function startNodes(): Promise<SkeinNode[]> {
  const nodes: SkeinNode[] = []
  for (const [index, place] of places.entries()) {
    const options = { ...place, extraArguments: ['--region', place.region] }
    const founder = nodes[0]
    if (!founder) {
      const node = await step(`${place.name} founds the mesh with ${domains.join(' and ')}`, () =>
        initNode({ ...options, domains }),
      )
      await step(`${place.name} runs on ${place.address}`, () => node.start())
      nodes.push(node)
      continue
    }
    // Each newcomer is pointed at another peer: any one will do, and all get to know it.
    const peer = nodes[index - 1] as SkeinNode
    const node = await step(`${place.name} joins through ${peer.name}`, async () =>
      joinNode(await inviteFrom(peer), options),
    )
    await step(`${place.name} runs on ${place.address}`, () => node.start())
    nodes.push(node)
  }
  return nodes
}

function submit(node: SkeinNode, from: string, to: string[], letter: Buffer): Promise<unknown> {
  const transport = createTransport({
    host: node.address,
    port: ports.submission,
    requireTLS: true,
    // The demo's certificates are self-made.
    tls: { rejectUnauthorized: false },
    auth: { user: from, pass: password },
  })
  return transport.sendMail({ envelope: { from, to }, raw: letter }).finally(() => transport.close())
}

async function readByImap(node: SkeinNode, user: string): Promise<Buffer | undefined> {
  const client = new ImapFlow({
    host: node.address,
    port: ports.imaps,
    secure: true,
    tls: { rejectUnauthorized: false },
    auth: { user, pass: password },
    logger: false,
  })
  await client.connect()
  try {
    await client.mailboxOpen('INBOX', { readOnly: true })
    const message = await client.fetchOne('*', { source: true })
    return message ? message.source : undefined
  } finally {
    await client.logout()
  }
}

async function readByPop3(node: SkeinNode, user: string): Promise<Buffer | undefined> {
  await using client = await Pop3Client.login({ host: node.address, port: ports.pop3 }, user, password)
  const letter = await client.multiLine('RETR 1')
  await client.quit()
  return letter
}

async function sameEverywhere(nodes: SkeinNode[], args: string[]): Promise<string | undefined> {
  const answers = await Promise.all(nodes.map((node) => node.rawJson(args)))
  return answers.every((answer) => answer === answers[0]) ? answers[0] : undefined
}

async function askForSettings(nodes: SkeinNode[]): Promise<void> {
  heading('A mail program asks each node how to set itself up')
  for (const node of nodes) {
    const address = `http://${node.address}:${ports.http}/mail/config-v1.1.xml?emailaddress=aaa@test.com`
    // Not fetch(): browsers, and it, refuse port 10080.
    const settings = await httpGet(address)
    const first = /<hostname>([^<]*)</.exec(settings)?.[1]
    check(`${node.name} names the nearest server first: ${first}`, first === node.address)
  }
}

function httpGet(address: string): Promise<string> {
  return new Promise((resolve, reject) => {
    get(address, (response) => {
      let body = ''
      response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk))
      response.on('end', () => resolve(body))
    }).on('error', reject)
  })
}

async function showLists(nodes: SkeinNode[]): Promise<void> {
  heading('The node-user list, as each node sees it')
  const expected = places.flatMap((place) => place.users).length
  await eventually(
    async () => {
      const list = await sameEverywhere(nodes, ['user', 'list'])
      return (
        list !== undefined &&
        (JSON.parse(list) as { state: string }[]).filter((user) => user.state === 'confirmed').length === expected
      )
    },
    { what: 'the same user list on all nodes', deadlineMs: 15_000 },
  )
  for (const node of nodes) {
    const { stdout } = await node.must(['user', 'list'])
    say(`  ${paint('cyan', node.name)}\n${stdout.trimEnd().replace(/^/gm, '    ')}`)
  }
  check(`all ${nodes.length} nodes list the same ${expected} users, byte for byte`, true)
  const nodeList = await eventually(() => sameEverywhere(nodes, ['node', 'list']), {
    what: 'the same node list on all nodes',
    deadlineMs: 15_000,
  })
  const listed = (JSON.parse(nodeList) as { name: string }[]).map((entry) => entry.name)
  check('every node lists the same nodes', listed.join() === places.map((place) => place.name).join())
}

async function sendLetter(nodes: SkeinNode[]): Promise<void> {
  const [bj, hk, tw] = nodes as [SkeinNode, SkeinNode, SkeinNode]
  heading('A letter from aaa at bj to bbb at hk and ccc at tw, with no DNS')
  const messageId = `demo-${Date.now().toString(36)}@test.com`
  const letter = composeLetter(messageId, new Date())
  await step(`aaa submits it at ${bj.address}:${ports.submission} (STARTTLS, AUTH): ${subject}`, () =>
    submit(bj, 'aaa@test.com', ['bbb@test.com', 'ccc@test.com'], letter),
  )
  const byImap = await step('bbb reads it at hk by IMAP over TLS', () =>
    eventually(() => readByImap(hk, 'bbb@test.com'), { what: 'the letter in the INBOX of bbb', deadlineMs: 15_000 }),
  )
  const byPop3 = await step('ccc reads it at tw by POP3', () =>
    eventually(() => readByPop3(tw, 'ccc@test.com').catch(() => undefined), {
      what: 'the letter in the INBOX of ccc',
      deadlineMs: 15_000,
    }),
  )
  for (const [who, received] of [
    ['bbb', byImap],
    ['ccc', byPop3],
  ] as const) {
    const faults = await faultsOf(received, letter)
    for (const fault of faults) say(`    ${fault}`)
    check(`${who} got it whole: subject, ${attachmentName}, every byte; only trace headers on top`, faults.length === 0)
  }
  heading(`Its way, as "skein trace ${messageId}" tells it on tw`)
  const trace = await eventually(
    async () => {
      const told = await tw.command(['trace', messageId])
      return /delivered.*bbb@test\.com/.test(told.stdout) && /delivered.*ccc@test\.com/.test(told.stdout)
        ? told.stdout
        : undefined
    },
    { what: 'the trace of both deliveries', deadlineMs: 15_000 },
  )
  say(trace.trimEnd().replace(/^/gm, '  '))
  check('the trace tells the way on every node', /\bbj\b/.test(trace) && /\bhk\b/.test(trace) && /\btw\b/.test(trace))
}

function whatNext(nodes: SkeinNode[]): void {
  heading('The mesh is running. Try')
  const [bj] = nodes as [SkeinNode]
  say(`  a mail client: IMAP ${bj.address}:${ports.imaps} (TLS), SMTP ${bj.address}:${ports.submission} (STARTTLS)`)
  say(`                 user aaa@test.com, password ${password}; bbb at 127.0.0.136, ccc at 127.0.0.137`)
  for (const node of nodes)
    say(`  in a browser:  https://${node.address}:${ports.https}/   (${node.name}; its certificate is self-made)`)
  say(`  curl -k -u aaa@test.com:${password} imaps://${bj.address}:${ports.imaps}/INBOX`)
  for (const node of nodes) say(`  npx skein status --data ${node.data}`)
  say(`  npx skein user add ddd@test.com --data ${bj.data}        (it is on every node a moment later)`)
  say(`  npx skein invite --data ${bj.data}                       (a token for a fourth node)`)
  say('\nCtrl-C stops all three.')
}

async function main(): Promise<number> {
  let stopping = false
  const nodes: SkeinNode[] = []
  const stopAll = async () => {
    if (stopping) return
    stopping = true
    say('\nstopping …')
    await Promise.all(nodes.map((node) => node.stop().catch(() => undefined)))
  }
  process.on('SIGINT', () => void stopAll().then(() => process.exit(0)))
  process.on('SIGTERM', () => void stopAll().then(() => process.exit(0)))
  say(paint('bold', 'Skein: a mail server that flocks'))
  heading('Three nodes, two domains, no DNS, no centre')
  nodes.push(...(await startNodes()))
  heading('Users, each made on its own node')
  for (const [index, place] of places.entries()) {
    for (const user of place.users) {
      await step(`${user} lives on ${place.name}`, () => (nodes[index] as SkeinNode).addUser(user, password))
    }
  }
  await showLists(nodes)
  await sendLetter(nodes)
  await askForSettings(nodes)
  if (!once) {
    whatNext(nodes)
    await new Promise(() => setInterval(() => {}, 1 << 30))
  }
  await stopAll()
  heading(failed.length === 0 ? `Checked ${checked.length} things; all hold:` : 'Not everything holds:')
  for (const what of checked) say(`  ✓ ${what}`)
  for (const what of failed) say(`  ✗ ${what}`)
  return failed.length === 0 ? 0 : 1
}

try {
  process.exit(await main())
} catch (error) {
  say(paint('red', `\nthe demo failed: ${error instanceof Error ? error.message : String(error)}`))
  process.exit(1)
}
