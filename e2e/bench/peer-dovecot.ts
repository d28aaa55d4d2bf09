// The peer for mailbox work: Debian's Dovecot, in a folder and on a loopback address of its own, with its usual syncing on.
import { chmodSync, chownSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { loopbackAddress } from '../harness/addresses.ts'
import { LineSocket } from '../harness/line-socket.ts'
import { eventually } from '../harness/poll.ts'
import { TrackedProcess, mustRun, runCommand, systemUser, temporaryDirectory } from '../harness/processes.ts'
import type { Endpoint } from './job.ts'
import { treeMemoryKiB } from './process-memory.ts'
import type { MailboxTarget } from './targets.ts'

export type MailboxFormat = 'maildir' | 'mdbox'

export const dovecotPorts = { lmtp: 10_024, imap: 10_143, pop3: 10_110 } as const
export const dovecotPassword = 'bench'

/** @param userCount mailboxes u0@bench.test … */
export async function startDovecot(format: MailboxFormat, userCount: number): Promise<MailboxTarget> {
  const address = await loopbackAddress()
  const directory = temporaryDirectory('dovecot')
  chmodSync(directory, 0o755)
  let dovecot = await runDovecot(directory, address, format)
  const stop = async () => {
    dovecot.kill('SIGTERM')
    await dovecot.exited
  }
  return {
    name: `Dovecot (${format})`,
    imap: { host: address, port: dovecotPorts.imap },
    pop3: { host: address, port: dovecotPorts.pop3 },
    deliver: { protocol: 'lmtp', endpoint: { host: address, port: dovecotPorts.lmtp } },
    users: Array.from({ length: userCount }, (_, index) => ({
      address: `u${index}@bench.test`,
      password: dovecotPassword,
    })),
    memoryKiB: () => treeMemoryKiB(dovecot.pid),
    async restart() {
      await stop()
      dovecot = await runDovecot(directory, address, format)
    },
    stop,
  }
}

/** Dovecot in the foreground with its configuration, mail and log in `directory`; again in the same one after a stop. */
export async function runDovecot(directory: string, address: string, format: MailboxFormat): Promise<TrackedProcess> {
  const file = join(directory, 'dovecot.conf')
  const mail = systemUser('mail')
  for (const name of ['mail', 'dovecot-run']) mkdirSync(join(directory, name), { recursive: true })
  chownSync(join(directory, 'mail'), mail.uid, mail.gid)
  const certificate = ['-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost']
  const files = ['-keyout', join(directory, 'key.pem'), '-out', join(directory, 'cert.pem')]
  await mustRun('openssl', ['req', '-x509', ...certificate, ...files])
  writeFileSync(file, configuration(directory, address, format))
  const child = new TrackedProcess('/usr/sbin/dovecot', ['-F', '-c', file])
  await untilGreeting({ host: address, port: dovecotPorts.imap }, child, `${directory}/dovecot.log`)
  return child
}

function configuration(directory: string, address: string, format: MailboxFormat): string {
  const listener = (name: string, port: number) => `  inet_listener ${name} {
    address = ${address}
    port = ${port}
  }`
  const off = (name: string) => `  inet_listener ${name} {
    port = 0
  }`
  return `base_dir = ${directory}/dovecot-run
log_path = ${directory}/dovecot.log
protocols = imap lmtp pop3
ssl = yes
ssl_cert = <${directory}/cert.pem
ssl_key = <${directory}/key.pem
disable_plaintext_auth = no
auth_mechanisms = plain
first_valid_uid = 1
mail_location = ${format}:${directory}/mail/%n
mail_fsync = optimized
default_client_limit = 5000
default_process_limit = 2500
passdb {
  driver = static
  args = password=${dovecotPassword}
}
userdb {
  driver = static
  args = uid=mail gid=mail home=${directory}/mail/%n
}
service imap {
  process_limit = 2500
}
service auth {
  unix_listener auth-bench {
    mode = 0666
  }
}
service lmtp {
  process_limit = 100
${listener('lmtp', dovecotPorts.lmtp)}
}
service imap-login {
  service_count = 0
${listener('imap', dovecotPorts.imap)}
${off('imaps')}
}
service pop3-login {
  service_count = 0
${listener('pop3', dovecotPorts.pop3)}
${off('pop3s')}
}
mail_max_userip_connections = 3000
protocol lmtp {
  postmaster_address = postmaster@bench.test
}
`
}

export async function untilGreeting(endpoint: Endpoint, child: TrackedProcess | undefined, log: string): Promise<void> {
  try {
    await eventually(
      async () => {
        if (child?.exit) throw new Error(child.stderr)
        await using link = await LineSocket.connect({ ...endpoint, timeoutMs: 2_000 })
        return (await link.line()) !== ''
      },
      { deadlineMs: 15_000, what: `greeting of ${endpoint.host}:${endpoint.port}` },
    )
  } catch (error) {
    const tail = await runCommand('tail', ['-n', '20', log])
    throw new Error(`${String(error)}\n${tail.stdout}`, { cause: error })
  }
}
