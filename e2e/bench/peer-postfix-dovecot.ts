// The peer to compare with: Debian's Postfix handing to Dovecot over LMTP, in a folder and on a loopback address of its own.
// Everything that either does for durability stays on: Postfix syncs its queue, Dovecot syncs what LMTP delivers.
import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { loopbackAddress } from '../harness/addresses.ts'
import { atTheEnd, mustRun, runCommand, temporaryDirectory } from '../harness/processes.ts'
import { type MailboxFormat, dovecotPassword, dovecotPorts, idOf, runDovecot, untilGreeting } from './peer-dovecot.ts'
import type { Endpoint } from './job.ts'

export interface PeerServer {
  name: string
  smtp: Endpoint
  submission: Endpoint
  lmtp: Endpoint
  imap: Endpoint
  users: { address: string; password: string }[]
  stop(): Promise<void>
}

const smtpPort = 10_025
const submissionPort = 10_587

/** @param userCount mailboxes u0@bench.test … */
export async function startPostfixDovecot(format: MailboxFormat, userCount: number): Promise<PeerServer> {
  const address = await loopbackAddress()
  const directory = temporaryDirectory('peer')
  chmodSync(directory, 0o755)
  const dovecot = await runDovecot(directory, address, format)
  let stopPostfix: () => Promise<void>
  try {
    stopPostfix = await startPostfix(directory, address)
  } catch (error) {
    dovecot.killNow()
    throw error
  }
  return {
    name: `Postfix+Dovecot (${format})`,
    smtp: { host: address, port: smtpPort },
    submission: { host: address, port: submissionPort },
    lmtp: { host: address, port: dovecotPorts.lmtp },
    imap: { host: address, port: dovecotPorts.imap },
    users: Array.from({ length: userCount }, (_, index) => ({
      address: `u${index}@bench.test`,
      password: dovecotPassword,
    })),
    async stop() {
      await stopPostfix()
      dovecot.kill('SIGTERM')
      await dovecot.exited
    },
  }
}

async function startPostfix(directory: string, address: string): Promise<() => Promise<void>> {
  const configuration = join(directory, 'postfix')
  const queue = join(directory, 'postfix-queue')
  const data = join(directory, 'postfix-data')
  mkdirSync(configuration)
  mkdirSync(queue)
  mkdirSync(data)
  const postfix = idOf('postfix')
  chownSync(data, postfix.uid, postfix.gid)
  writeFileSync(
    join(configuration, 'main.cf'),
    `compatibility_level = 3.6
queue_directory = ${queue}
data_directory = ${data}
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = ${directory}/postfix.log
maillog_file_prefixes = ${directory}
myhostname = peer.bench.test
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_peername_lookup = no
smtpd_tls_chain_files = ${directory}/key.pem, ${directory}/cert.pem
smtpd_sasl_type = dovecot
smtpd_sasl_path = ${directory}/dovecot-run/auth-bench
smtpd_client_connection_count_limit = 0
alias_maps =
alias_database =
virtual_mailbox_domains = bench.test
virtual_mailbox_maps = static:known
virtual_transport = lmtp:inet:${address}:${dovecotPorts.lmtp}
lmtp_connection_reuse_count_limit = 0
smtpd_relay_restrictions = permit_mynetworks, reject
message_size_limit = 52428800
`,
  )
  writeFileSync(join(configuration, 'master.cf'), `${masterServices(address).join('\n')}\n`)
  await mustRun('/usr/sbin/postfix', ['-c', configuration, 'start'])
  const stop = async () => {
    await runCommand('/usr/sbin/postfix', ['-c', configuration, 'abort'])
  }
  // `postfix start` leaves a daemon behind: it ends with this process, whatever happens.
  atTheEnd(() => {
    try {
      execFileSync('/usr/sbin/postfix', ['-c', configuration, 'abort'], { stdio: 'ignore' })
    } catch {
      // It has been stopped already.
    }
  })
  try {
    await untilGreeting({ host: address, port: smtpPort }, undefined, `${directory}/postfix.log`)
  } catch (error) {
    await stop()
    throw error
  }
  return stop
}

/** Postfix's usual services with its usual limits, without chroot, and one listener at our address. */
function masterServices(address: string): string[] {
  return [
    `${address}:${smtpPort} inet n - n - - smtpd`,
    `${address}:${submissionPort} inet n - n - - smtpd -o smtpd_tls_security_level=may -o smtpd_sasl_auth_enable=yes`,
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
    'showq unix n - n - - showq',
    'error unix - - n - - error',
    'retry unix - - n - - error',
    'discard unix - - n - - discard',
    'lmtp unix - - n - - lmtp',
    'anvil unix - - n - 1 anvil',
    'scache unix - - n - 1 scache',
    'postlog unix-dgram n - n - 1 postlogd',
  ]
}
