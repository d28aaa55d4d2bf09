// The peer to compare with: Debian's Postfix handing to Dovecot over LMTP, in a folder and on a loopback address of its own.
// Everything that either does for durability stays on: Postfix syncs its queue, Dovecot syncs what LMTP delivers.
import { chmodSync } from 'node:fs'
import { loopbackAddress } from '../harness/addresses.ts'
import { type PostfixProcess, runPostfix } from '../harness/postfix.ts'
import { temporaryDirectory } from '../harness/processes.ts'
import { outsideDestinations } from './destinations.ts'
import { type MailboxFormat, dovecotPassword, dovecotPorts, runDovecot } from './peer-dovecot.ts'
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
  let postfix: PostfixProcess
  try {
    postfix = await startPostfix(directory, address)
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
      await postfix.stop()
      dovecot.kill('SIGTERM')
      await dovecot.exited
    },
  }
}

async function startPostfix(directory: string, address: string): Promise<PostfixProcess> {
  const routes = (await outsideDestinations()).map((it) => `{ ${it.domain} = smtp:[${it.address}]:${it.port} }`)
  const settings = {
    myhostname: 'peer.bench.test',
    mydestination: '',
    inet_interfaces: '127.0.0.1',
    mynetworks: '127.0.0.0/8',
    smtpd_tls_chain_files: `${directory}/key.pem, ${directory}/cert.pem`,
    smtpd_sasl_type: 'dovecot',
    smtpd_sasl_path: `${directory}/dovecot-run/auth-bench`,
    smtpd_client_connection_count_limit: '0',
    virtual_mailbox_domains: 'bench.test',
    virtual_mailbox_maps: 'static:known',
    virtual_transport: `lmtp:inet:${address}:${dovecotPorts.lmtp}`,
    lmtp_connection_reuse_count_limit: '0',
    smtpd_relay_restrictions: 'permit_mynetworks, reject',
    message_size_limit: '52428800',
    transport_maps: `inline:{ ${routes.join(', ')} }`,
    smtp_bind_address: address,
  }
  const listeners = [
    `${address}:${smtpPort} inet n - n - - smtpd`,
    `${address}:${submissionPort} inet n - n - - smtpd -o smtpd_tls_security_level=may -o smtpd_sasl_auth_enable=yes`,
  ]
  return runPostfix(directory, settings, listeners, { host: address, port: smtpPort })
}
