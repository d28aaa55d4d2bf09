// Debian's Postfix as a mail system of its own: in a folder and on a loopback address of the test's, port 25 by default.
// Takes mail for its users into Maildirs, sends along given routes, and ends by its pid with everything that it started.
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { loopbackAddress } from './addresses.ts'
import { LineSocket } from './line-socket.ts'
import { MaildirServer, folderOf } from './maildir.ts'
import { eventually, within } from './poll.ts'
import {
  type CommandResult,
  TrackedProcess,
  atTheEnd,
  mustRun,
  runCommand,
  systemUser,
  temporaryDirectory,
} from './processes.ts'
import type { IssuedCertificate } from './test-authority.ts'

const startDeadlineMs = 20_000
const stopDeadlineMs = 10_000

/** A line of Postfix's queue: what `postqueue -j` says. */
export interface PostfixQueueItem {
  queue_id: string
  queue_name: string
  sender: string
  recipients: { address: string; delay_reason?: string }[]
}

export interface PostfixFiles {
  directory: string
  configuration: string
  queue: string
  log: string
}

/** A Postfix that runs, whatever it is configured for. */
export class PostfixProcess {
  readonly files: PostfixFiles
  readonly master: TrackedProcess

  constructor(files: PostfixFiles, master: TrackedProcess) {
    this.files = files
    this.master = master
  }

  get log(): string {
    return existsSync(this.files.log) ? readFileSync(this.files.log, 'utf8') : ''
  }

  /** Ends it at once, deliveries that run included; its queue stays. */
  async stop(): Promise<void> {
    await runCommand('/usr/sbin/postfix', ['-c', this.files.configuration, 'abort'], { timeoutMs: stopDeadlineMs })
    killGroup(this.files)
    await within(this.master.exited, stopDeadlineMs, 'end of Postfix')
  }
}

/** Nothing of Postfix's process group is left: its master leads the group. */
function killGroup({ queue }: PostfixFiles): void {
  const file = join(queue, 'pid/master.pid')
  const pid = existsSync(file) ? Number(readFileSync(file, 'utf8')) : 0
  if (pid <= 1) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/**
 * Postfix with the usual paths in `directory` and nothing else decided.
 * @param settings lines of main.cf @param services lines of master.cf: the listeners; what all need comes by itself
 */
export async function runPostfix(
  directory: string,
  settings: Readonly<Record<string, string>>,
  services: readonly string[],
  listener: { host: string; port: number },
): Promise<PostfixProcess> {
  const files: PostfixFiles = {
    directory,
    configuration: join(directory, 'postfix'),
    queue: join(directory, 'postfix-queue'),
    log: join(directory, 'postfix.log'),
  }
  const data = join(directory, 'postfix-data')
  for (const folder of [files.configuration, files.queue, data]) mkdirSync(folder, { recursive: true })
  const postfix = systemUser('postfix')
  chownSync(data, postfix.uid, postfix.gid)
  const all = {
    compatibility_level: '3.6',
    queue_directory: files.queue,
    data_directory: data,
    command_directory: '/usr/sbin',
    daemon_directory: '/usr/lib/postfix/sbin',
    mail_owner: 'postfix',
    setgid_group: 'postdrop',
    maillog_file: files.log,
    maillog_file_prefixes: directory,
    inet_protocols: 'ipv4',
    smtpd_peername_lookup: 'no',
    alias_maps: '',
    alias_database: '',
    ...settings,
  }
  const lines = Object.entries(all).map(([key, value]) => `${key} = ${value}\n`)
  writeFileSync(join(files.configuration, 'main.cf'), lines.join(''))
  writeFileSync(join(files.configuration, 'master.cf'), `${[...services, ...usualServices].join('\n')}\n`)
  // In the foreground, so that it is ours to wait for; its master leads a process group of its own.
  const child = new TrackedProcess('/usr/sbin/postfix', ['-c', files.configuration, 'start-fg'])
  atTheEnd(() => killGroup(files))
  const running = new PostfixProcess(files, child)
  try {
    await untilGreeted(listener, child)
  } catch (error) {
    await running.stop()
    throw new Error(`${String(error)}\n${child.stderr}\n${running.log.slice(-4000)}`, { cause: error })
  }
  return running
}

export async function untilGreeted(listener: { host: string; port: number }, child: TrackedProcess): Promise<void> {
  await eventually(
    async () => {
      if (child.exit) return true
      await using link = await LineSocket.connect({ ...listener, timeoutMs: 2_000 })
      return (await link.line()).startsWith('220')
    },
    { deadlineMs: startDeadlineMs, what: `greeting of ${listener.host}:${listener.port}` },
  )
  if (child.exit) throw new Error(`ended before it greeted: ${child.stdout}${child.stderr}`)
}

/** Postfix's services with its usual limits, without chroot. */
const usualServices: readonly string[] = [
  'pickup unix n - n 60 1 pickup',
  'cleanup unix n - n - 0 cleanup',
  'qmgr unix n - n 300 1 qmgr',
  'tlsmgr unix - - n 1000? 1 tlsmgr',
  'rewrite unix - - n - - trivial-rewrite',
  ...['bounce', 'defer', 'trace'].map((name) => `${name} unix - - n - 0 bounce`),
  'verify unix - - n - 1 verify',
  'flush unix n - n 1000? 0 flush',
  'proxymap unix - - n - - proxymap',
  'proxywrite unix - - n - 1 proxymap',
  'smtp unix - - n - - smtp',
  'showq unix n - n - - showq',
  'error unix - - n - - error',
  'retry unix - - n - - error',
  'discard unix - - n - - discard',
  'virtual unix - n n - - virtual',
  'lmtp unix - - n - - lmtp',
  'anvil unix - - n - 1 anvil',
  'scache unix - - n - 1 scache',
  'postlog unix-dgram n - n - 1 postlogd',
]

export interface PostfixOptions {
  /** Mailboxes, `name@domain`; their domains are its own. Other names in these domains are refused. */
  users: readonly string[]
  /** Domain to `address:port` of the next hop. Without one the MX is asked for, where `usesDns` is set; else mail there bounces. */
  routes?: Readonly<Record<string, string>>
  usesDns?: boolean
  hostName?: string
  /** A loopback address of its own unless given. */
  address?: string
  port?: number
  /** With one, STARTTLS is offered. */
  certificate?: IssuedCertificate
  /** How it sends: Postfix's smtp_tls_security_level. */
  sendingTls?: 'none' | 'may' | 'encrypt' | 'dane' | 'dane-only' | 'secure'
  /** Trusted where a policy asks for a proof. */
  authorityFile?: string
  /** Client addresses refused at RCPT, with the text: `550 5.7.1 …` */
  refuseClients?: Readonly<Record<string, string>>
  /** More lines of main.cf. */
  settings?: Readonly<Record<string, string>>
}

export class Postfix extends MaildirServer {
  readonly address: string
  readonly port: number
  readonly directory: string
  private readonly options: PostfixOptions
  private running: PostfixProcess | undefined

  private constructor(options: PostfixOptions, address: string, directory: string) {
    super()
    this.options = options
    this.address = address
    this.port = options.port ?? 25
    this.directory = directory
  }

  static async start(options: PostfixOptions): Promise<Postfix> {
    const directory = temporaryDirectory('postfix')
    chmodSync(directory, 0o755)
    const postfix = new Postfix(options, options.address ?? (await loopbackAddress()), directory)
    const owner = systemUser('nobody')
    const mail = join(directory, 'mail')
    mkdirSync(mail)
    chownSync(mail, owner.uid, owner.gid)
    await postfix.restart()
    return postfix
  }

  /** @param changes lines of main.cf from now on */
  async restart(changes: Readonly<Record<string, string>> = {}): Promise<void> {
    await this.stop()
    const settings = { ...this.settings(), ...changes }
    const listener = { host: this.address, port: this.port }
    this.running = await runPostfix(
      this.directory,
      settings,
      [`${this.address}:${this.port} inet n - n - - smtpd`],
      listener,
    )
  }

  private settings(): Record<string, string> {
    const { users, routes = {}, certificate, authorityFile, refuseClients = {}, sendingTls = 'may' } = this.options
    const domains = [...new Set(users.map((user) => user.slice(user.lastIndexOf('@') + 1)))]
    const owner = systemUser('nobody')
    const next = Object.entries(routes).map(([domain, hop]) => {
      const [, host, port] = /^(.+):(\d+)$/.exec(hop) ?? []
      return `{ ${domain} = smtp:[${host}]:${port} }`
    })
    if (!this.options.usesDns) next.push('{ * = error:5.1.2 no route to that domain }')
    const mailboxes = users.map((user) => `{ ${user} = ${folderOf(user)}/ }`)
    const refused = Object.entries(refuseClients).map(([client, text]) => `{ ${client} = ${text} }`)
    return {
      myhostname: this.options.hostName ?? 'postfix.test',
      mydestination: '',
      // Only addresses that an interface has; the listener in master.cf says where.
      inet_interfaces: '127.0.0.1',
      smtp_bind_address: this.address,
      // The test itself, which connects from here, may send anywhere; the node may not.
      mynetworks: '127.0.0.1/32',
      smtpd_relay_restrictions: 'permit_mynetworks, reject_unauth_destination',
      smtpd_client_restrictions: refused.length > 0 ? `check_client_access inline:{ ${refused.join(', ')} }` : '',
      virtual_mailbox_domains: domains.join(', '),
      virtual_mailbox_base: join(this.directory, 'mail'),
      virtual_mailbox_maps: `inline:{ ${mailboxes.join(', ')} }`,
      virtual_mailbox_limit: '0',
      virtual_uid_maps: `static:${owner.uid}`,
      virtual_gid_maps: `static:${owner.gid}`,
      // Own domains first: a route for * is for what is not ours.
      transport_maps: `inline:{ ${[...domains.map((domain) => `{ ${domain} = virtual: }`), ...next].join(', ')} }`,
      message_size_limit: '52428800',
      smtp_tls_security_level: sendingTls,
      smtp_tls_loglevel: '1',
      smtpd_tls_loglevel: '1',
      smtpd_tls_received_header: 'yes',
      ...(authorityFile ? { smtp_tls_CAfile: authorityFile } : {}),
      ...(certificate
        ? { smtpd_tls_security_level: 'may', smtpd_tls_chain_files: `${certificate.key}, ${certificate.cert}` }
        : {}),
      ...this.options.settings,
    }
  }

  get log(): string {
    return this.running?.log ?? ''
  }

  async queue(): Promise<PostfixQueueItem[]> {
    const { stdout } = await this.run('/usr/sbin/postqueue', ['-j'])
    return stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as PostfixQueueItem)
  }

  /** Tries everything that waits again now. */
  async flush(): Promise<void> {
    await this.run('/usr/sbin/postqueue', ['-f'])
  }

  private run(program: string, args: readonly string[]): Promise<CommandResult> {
    return mustRun(program, ['-c', join(this.directory, 'postfix'), ...args])
  }

  async stop(): Promise<void> {
    await this.running?.stop()
    this.running = undefined
  }
}
