// Debian's Exim as a mail system of its own: in a folder and on a loopback address of the test's, port 25 by default.
// Takes mail for its users into Maildirs, sends along given routes, and ends by its pid with everything that it started.
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { eximProgram, eximUser } from '../exim-program.ts'
import { loopbackAddress } from './addresses.ts'
import { MaildirServer, folderOf } from './maildir.ts'
import { within } from './poll.ts'
import { untilGreeted } from './postfix.ts'
import { TrackedProcess, atTheEnd, mustRun, systemUser, temporaryDirectory } from './processes.ts'
import type { IssuedCertificate } from './test-authority.ts'

const stopDeadlineMs = 10_000

export interface EximOptions {
  /** Mailboxes, `name@domain`; their domains are its own. Other names in these domains are refused. */
  users: readonly string[]
  /** Domain to `address:port` of the next hop; mail to any other domain bounces. */
  routes?: Readonly<Record<string, string>>
  hostName?: string
  address?: string
  port?: number
  /** With one, STARTTLS is offered. */
  certificate?: IssuedCertificate
  /** `encrypt`: sends over TLS or not at all; `secure`: and the certificate must be good for `authorityFile`. */
  sendingTls?: 'none' | 'may' | 'encrypt' | 'secure'
  authorityFile?: string
  /** More lines of the main section. */
  settings?: Readonly<Record<string, string>>
}

export class Exim extends MaildirServer {
  readonly address: string
  readonly port: number
  readonly directory: string
  private readonly configuration: string
  private readonly options: EximOptions
  private daemon: TrackedProcess | undefined

  private constructor(options: EximOptions, address: string, directory: string) {
    super()
    this.options = options
    this.address = address
    this.port = options.port ?? 25
    this.directory = directory
    this.configuration = join(directory, 'exim.conf')
  }

  static async start(options: EximOptions): Promise<Exim> {
    const directory = temporaryDirectory('exim')
    chmodSync(directory, 0o755)
    const exim = new Exim(options, options.address ?? (await loopbackAddress()), directory)
    const owner = systemUser(eximUser)
    for (const name of ['mail', 'spool', 'log']) {
      mkdirSync(join(directory, name))
      chownSync(join(directory, name), owner.uid, owner.gid)
    }
    // Keys are read as the user it runs as.
    if (options.certificate) chownSync(options.certificate.key, owner.uid, owner.gid)
    const users = options.users.map((user) => `"${user.toLowerCase()}": ${folderOf(user)}\n`)
    writeFileSync(join(directory, 'users'), users.join(''))
    writeFileSync(exim.configuration, exim.text())
    atTheEnd(() => exim.killAll())
    exim.daemon = new TrackedProcess(eximProgram, ['-C', exim.configuration, '-bdf', '-q1m'])
    try {
      await untilGreeted({ host: exim.address, port: exim.port }, exim.daemon)
    } catch (error) {
      await exim.stop()
      throw new Error(`${String(error)}\n${exim.log.slice(-4000)}`, { cause: error })
    }
    return exim
  }

  private text(): string {
    const { users, routes = {}, certificate, settings = {}, hostName = 'exim.test' } = this.options
    const domains = [...new Set(users.map((user) => user.slice(user.lastIndexOf('@') + 1)))]
    const next = Object.entries(routes).map(([domain, hop]) => {
      const [, host, port] = /^(.+):(\d+)$/.exec(hop) ?? []
      return `${domain} ${host}::${port} byname`
    })
    const main = {
      primary_hostname: hostName,
      spool_directory: join(this.directory, 'spool'),
      log_file_path: `${join(this.directory, 'log')}/%slog`,
      pid_file_path: join(this.directory, 'exim.pid'),
      exim_path: eximProgram,
      exim_user: eximUser,
      exim_group: eximUser,
      deliver_drop_privilege: 'true',
      keep_environment: '',
      local_interfaces: this.address,
      daemon_smtp_ports: String(this.port),
      host_lookup: '',
      rfc1413_query_timeout: '0s',
      domainlist: `ours = ${domains.join(' : ')}`,
      // The test itself, which connects from here, may send anywhere; the node may not.
      hostlist: 'trusted = 127.0.0.1',
      acl_smtp_rcpt: 'recipient',
      acl_smtp_mail: 'accept',
      dsn_advertise_hosts: '*',
      chunking_advertise_hosts: '*',
      smtputf8_advertise_hosts: '*',
      message_size_limit: '50M',
      remote_max_parallel: '1',
      ...(certificate
        ? { tls_advertise_hosts: '*', tls_certificate: certificate.cert, tls_privatekey: certificate.key }
        : { tls_advertise_hosts: '' }),
      ...settings,
    }
    const isNamedList = (key: string) => key === 'domainlist' || key === 'hostlist'
    const lines = Object.entries(main).map(([key, value]) =>
      isNamedList(key) ? `${key} ${value}\n` : `${key} = ${value}\n`,
    )
    return `${lines.join('')}${sections(this.directory, next, this.sendingLines())}`
  }

  private sendingLines(): string[] {
    const { sendingTls = 'may', authorityFile } = this.options
    const lines = [`interface = ${this.address}`, 'dnssec_request_domains =', 'hosts_try_dane =']
    if (sendingTls === 'none') return [...lines, 'hosts_avoid_tls = *']
    if (sendingTls === 'may') return [...lines, 'tls_try_verify_hosts = *']
    if (sendingTls === 'encrypt') return [...lines, 'hosts_require_tls = *', 'tls_try_verify_hosts = *']
    const proof = [`tls_verify_certificates = ${authorityFile ?? ''}`, 'tls_verify_hosts = *', 'hosts_require_tls = *']
    return [...lines, ...proof]
  }

  get log(): string {
    return ['main', 'reject', 'panic']
      .map((name) => join(this.directory, 'log', `${name}log`))
      .map((file) => (existsSync(file) ? readFileSync(file, 'utf8') : ''))
      .join('')
  }

  /** Message ids that wait, with everything that `exim -bp` says of them. */
  async queue(): Promise<string> {
    const { stdout } = await mustRun(eximProgram, ['-C', this.configuration, '-bp'])
    return stdout
  }

  /** Tries everything that waits again now. */
  async flush(): Promise<void> {
    await mustRun(eximProgram, ['-C', this.configuration, '-qff'])
  }

  /** Deliveries are processes of their own, which outlive the daemon: all that name our configuration are ours. */
  private killAll(): void {
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
      try {
        if (!readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(this.configuration)) continue
        process.kill(Number(pid), 'SIGKILL')
      } catch (error) {
        // It ended while it was looked at.
        if (!['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
      }
    }
  }

  /** Ends it at once, deliveries that run included; its queue stays. */
  async stop(): Promise<void> {
    const { daemon } = this
    this.daemon = undefined
    this.killAll()
    if (daemon) await within(daemon.exited, stopDeadlineMs, 'end of Exim')
  }
}

function sections(directory: string, routes: readonly string[], sending: readonly string[]): string {
  return `begin acl
recipient:
  accept hosts = +trusted
         domains = ! +ours
  deny message = relay not permitted
       ! domains = +ours
  require message = unknown user
          verify = recipient
  accept
begin routers
remote:
  driver = manualroute
  domains = ! +ours
  route_list = ${routes.join(' ; ')}
  self = send
  transport = out
  no_more
mailbox:
  driver = accept
  domains = +ours
  address_data = \${lookup{$local_part@$domain}lsearch{${directory}/users}{$value}fail}
  transport = maildir
begin transports
out:
  driver = smtp
${sending.map((line) => `  ${line}\n`).join('')}maildir:
  driver = appendfile
  directory = ${directory}/mail/$address_data
  maildir_format
  return_path_add
  envelope_to_add
  user = ${eximUser}
begin retry
* * F,1h,5s
`
}
