// Two nodes gave one name away while they were parted: the people concerned, and the administrators, are told by letter.
import type { Delivery } from '@skein/delivery'
import { encodeWords, formatDate } from '@skein/mail'
import type { Ledger, NameConflict } from '@skein/replication'
import type { Clock, Logger } from '@skein/runtime'
import type { Administrators } from './administrators.ts'

const separator = '\r\n\r\n----\r\n\r\n'

export function sendConflictNotices(
  ledger: Ledger,
  delivery: Delivery,
  administrators: Administrators,
  setting: { hostName: string; clock: Clock; logger: Logger },
): void {
  const { hostName, clock, logger } = setting
  ledger.onConflict((conflict) => {
    const recipients = new Set(administrators.list())
    // Each node writes to its own: a conflict is found by all of them.
    if (conflict.winner.home === ledger.self) recipients.add(conflict.address)
    if (conflict.loser.home === ledger.self) recipients.add(conflict.loser.renamedTo)
    if (recipients.size === 0) return
    const from = `postmaster@${conflict.address.slice(conflict.address.lastIndexOf('@') + 1)}`
    const nowMs = clock.nowMs()
    const messageId = `conflict.${nowMs}.${conflict.loser.accountId.slice(0, 12)}@${hostName}`
    const bytes = Buffer.from(compose(conflict, from, messageId, nowMs))
    delivery.post({ from: '', to: [...recipients], bytes, messageId }).catch((error: unknown) => {
      logger.error({ address: conflict.address, error: String(error) }, 'a notice of a name conflict could not be sent')
    })
  })
}

function compose({ address, loser }: NameConflict, from: string, messageId: string, nowMs: number): string {
  const english = [
    `The address ${address} was given to two accounts while parts of the mesh could not reach each other.`,
    `One of them keeps it. The other, with its password, mailbox and mail unchanged, now has the address ${loser.renamedTo}.`,
    'An administrator can give it another name.',
  ].join('\r\n')
  const chinese = [
    `在网格各部分无法互相连通期间，地址 ${address} 被分配给了两个账户。`,
    `其中一个保留该地址；另一个的密码、邮箱和邮件均不变，新地址为 ${loser.renamedTo}。`,
    '管理员可以为其另行命名。',
  ].join('\r\n')
  return [
    `From: <${from}>`,
    `Subject: ${encodeWords(`The address ${address} was taken twice / 地址 ${address} 重复`)}`,
    `Date: ${formatDate(nowMs)}`,
    `Message-ID: <${messageId}>`,
    'Auto-Submitted: auto-generated',
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=utf-8',
    'Content-Transfer-Encoding: base64',
    '',
    Buffer.from(english + separator + chinese)
      .toString('base64')
      .replace(/.{76}/g, '$&\r\n'),
    '',
  ].join('\r\n')
}
