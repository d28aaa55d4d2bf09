// The demo's letter: a Chinese subject, a text, an attachment; and the check that it came back whole.
import { createHash } from 'node:crypto'
import { simpleParser } from 'mailparser'

export const subject = '雁字回时：第一封穿过网格的信'
export const attachmentName = '排班表-roster.csv'
const text = '你好，\r\n\r\n这封信从北京出发，没有用到任何 DNS。\r\nNo DNS was harmed on the way.\r\n\r\n— aaa\r\n'
const attachment = Buffer.from(
  `姓名,站点,值班\r\n${['aaa,bj,周一', 'bbb,hk,周二', 'ccc,tw,周三', 'caohb,bj,周四'].join('\r\n')}\r\n`,
)

function words(value: string): string {
  return `=?UTF-8?B?${Buffer.from(value).toString('base64')}?=`
}

/** The bytes that aaa submits. */
export function composeLetter(messageId: string, date: Date): Buffer {
  const boundary = 'skein-demo-boundary'
  const lines = [
    'From: "aaa" <aaa@test.com>',
    'To: <bbb@test.com>, <ccc@test.com>',
    `Subject: ${words(subject)}`,
    `Date: ${date.toUTCString().replace('GMT', '+0000')}`,
    `Message-ID: <${messageId}>`,
    'MIME-Version: 1.0',
    `Content-Type: multipart/mixed; boundary="${boundary}"`,
    '',
    `--${boundary}`,
    'Content-Type: text/plain; charset=utf-8',
    'Content-Transfer-Encoding: base64',
    '',
    Buffer.from(text).toString('base64').replace(/.{76}/g, '$&\r\n'),
    `--${boundary}`,
    'Content-Type: text/csv; charset=utf-8',
    // RFC 2231 §4
    `Content-Disposition: attachment; filename*=UTF-8''${encodeURIComponent(attachmentName)}`,
    'Content-Transfer-Encoding: base64',
    '',
    attachment.toString('base64').replace(/.{76}/g, '$&\r\n'),
    `--${boundary}--`,
    '',
  ]
  return Buffer.from(lines.join('\r\n'))
}

/** What differs from the letter that was sent: empty when it came back whole, with only trace headers on top. */
export async function faultsOf(received: Buffer, sent: Buffer): Promise<string[]> {
  const faults: string[] = []
  if (!received.subarray(-sent.length).equals(sent)) faults.push('the bytes differ from those sent')
  const parsed = await simpleParser(received)
  if (parsed.subject !== subject) faults.push(`the subject reads ${JSON.stringify(parsed.subject)}`)
  const found = parsed.attachments[0]
  if (!found) faults.push('the attachment is missing')
  else {
    if (found.filename !== attachmentName) faults.push(`the attachment is named ${JSON.stringify(found.filename)}`)
    const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')
    if (digest(found.content) !== digest(attachment)) faults.push('the attachment’s bytes differ')
  }
  if (!parsed.headers.has('received')) faults.push('there is no Received header')
  return faults
}
