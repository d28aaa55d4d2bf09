import assert from 'node:assert/strict'
import { test } from 'node:test'
import { refusalCause, type RefusalCause } from './refusal-cause.ts'

/**
 * What servers say, with addresses and ids made up: code, enhanced status ('' : none was said, so the code's own), text, and
 * what it means. 421 rows marked `again` are heard for the second time in a row.
 */
const table: [who: string, reply: string, cause: RefusalCause, again?: 'again'][] = [
  // Gmail
  [
    'Gmail',
    '421 4.7.0 [192.0.2.1 15] Our system has detected an unusual rate of unsolicited mail originating from your IP address',
    'address',
  ],
  [
    'Gmail',
    '421 4.7.28 Gmail has detected an unusual rate of mail from your IP address. It is rate limited',
    'address',
  ],
  [
    'Gmail',
    '550 5.7.1 [192.0.2.1 12] Our system has detected that this message is likely unsolicited mail. The IP reputation of the sender is very low',
    'address',
  ],
  [
    'Gmail',
    '550 5.7.1 The user or domain that you are sending to (or from) has a policy that prohibited the mail that you sent',
    'other',
  ],
  ['Gmail', '550 5.7.25 The IP address sending this message does not have a PTR record set up', 'address'],
  ['Gmail', '421 4.7.23 The sending IP does not match the IP address of its hostname (PTR record)', 'address'],
  [
    'Gmail',
    '550 5.7.26 This mail has been blocked because the sender is unauthenticated. SPF and DKIM are required',
    'other',
  ],
  [
    'Gmail',
    '550 5.1.1 The email account that you tried to reach does not exist. Try double-checking the address',
    'other',
  ],
  ['Gmail', "452 4.2.2 The recipient's inbox is out of storage space", 'other'],
  ['Gmail', '552 5.7.0 This message was blocked because its content presents a potential security issue', 'other'],
  ['Gmail', "552 5.3.4 Your message exceeded Google's message size limits", 'other'],
  ['Gmail', '421 4.7.0 Try again later, closing connection', 'other'],
  ['Gmail', '421 4.7.0 Try again later, closing connection', 'address', 'again'],
  ['Gmail', '550 5.4.5 Daily user sending limit exceeded', 'other'],
  // Outlook, Microsoft 365
  [
    'Outlook',
    "550 5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent. Please contact your Internet service provider since part of their network is on our block list (S3140)",
    'address',
  ],
  [
    'Outlook',
    '421 4.7.650 The mail server [192.0.2.1] has been temporarily rate limited due to IP reputation. (S775)',
    'address',
  ],
  [
    'Outlook',
    "550 SC-001 Unfortunately, messages from 192.0.2.1 weren't sent: part of their network is on our block list",
    'address',
  ],
  [
    'Outlook',
    '421 RP-001 The mail server IP connecting to Outlook.com server has exceeded the rate limit allowed',
    'address',
  ],
  [
    'Outlook',
    "550 DY-001 Mail rejected by Outlook.com for policy reasons. We generally do not accept email from dynamic IP's",
    'address',
  ],
  ['Microsoft 365', '550 5.7.606 Access denied, banned sending IP [192.0.2.1]', 'address'],
  ['Microsoft 365', '550 5.7.511 Access denied, banned sender[192.0.2.1]', 'address'],
  ['Microsoft 365', '451 4.7.500 Server busy. Please try again later from [192.0.2.1]. (AS77712)', 'other'],
  ['Microsoft 365', '451 4.7.550 Access denied, please try again later. Traffic from your IP is throttled', 'address'],
  [
    'Microsoft 365',
    '550 5.7.1 Service unavailable, Client host [192.0.2.1] blocked using Spamhaus. To request removal from this list see https://www.spamhaus.org/query/ip/192.0.2.1 (AS3130)',
    'address',
  ],
  ['Microsoft 365', '550 5.4.1 Recipient address rejected: Access denied. AS(201806281)', 'other'],
  ['Microsoft 365', '550 5.7.509 Access denied, sending domain example.org does not pass DMARC verification', 'other'],
  ['Microsoft 365', '550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup', 'other'],
  ['Microsoft 365', '550 5.7.64 TenantAttribution; Relay Access Denied', 'other'],
  // Yahoo, AOL
  [
    'Yahoo',
    '421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume or user complaints',
    'address',
  ],
  [
    'Yahoo',
    "553 5.7.1 [BL21] Connections will not be accepted from 192.0.2.1, because the ip is in Spamhaus's list",
    'address',
  ],
  ['Yahoo', '554 5.7.9 Message not accepted for policy reasons. See the postmaster page', 'other'],
  ['Yahoo', '552 1 Requested mail action aborted, mailbox not found', 'other'],
  ['Yahoo', "554 delivery error: dd This user doesn't have a yahoo.com account", 'other'],
  ['AOL', '554 5.7.1 [HVU:B1] The URL contained in your email has generated a high volume of complaints', 'other'],
  ['AOL', '421 4.7.1 [RTR:DU] The IP address has been blocked because of its poor reputation', 'address'],
  // Apple, AT&T, Comcast, GMX, T-Online, Orange, Mail.ru, Yandex
  ['Apple', '554 5.7.1 [CS01] Message rejected due to local policy', 'address'],
  ['Apple', '550 5.7.1 Your email was rejected due to having a domain present in the Spamhaus DBL', 'other'],
  ['AT&T', '553 5.3.0 flpd568 DNSBL:RBL 521< 192.0.2.1 >_is_blocked. For assistance forward this error', 'address'],
  [
    'Comcast',
    '554 PH1.comcast.net comcast 192.0.2.1 found on one or more DNSBLs, see the error page. BL000001',
    'address',
  ],
  ['Comcast', '421 Reverse DNS failure: Try again later', 'address'],
  ['GMX', '554 Transaction failed. Reject due to policy restrictions: your IP address is black listed', 'address'],
  ['T-Online', '554 IP=192.0.2.1 - A problem occurred. Ask your postmaster for help: IP is blocked (BL)', 'address'],
  ['T-Online', '550 5.7.0 Message considered as spam or virus, rejected', 'other'],
  ['Orange', '421 4.0.0 OFR004_104 Too many connections from your IP, slow down', 'address'],
  ['Mail.ru', '550 spam message rejected. Please visit the support page. Content is suspicious', 'other'],
  ['Mail.ru', '550 5.7.1 ip 192.0.2.1 is blocked: reputation of your IP is bad', 'address'],
  ['Yandex', '554 5.7.1 [1] Message rejected under suspicion of SPAM by its content', 'other'],
  ['Yandex', '550 5.7.1 No such user!', 'other'],
  // QQ, NetEase, Coremail, Sina
  ['QQ', '550 Ip frequency limited', 'address'],
  ['QQ', '550 Connection frequency limited', 'address'],
  ['QQ', '550 Suspected spam ip', 'address'],
  ['QQ', '550 Mail content denied', 'other'],
  ['QQ', '550 Domain frequency limited', 'other'],
  ['QQ', '550 Sender frequency limited', 'other'],
  ['QQ', '550 Mailbox not found', 'other'],
  ['163', '421 HL:REP 163 mx1,abc 192.0.2.1', 'address'],
  ['163', '421 HL:IFC 163 mx1,abc 192.0.2.1', 'address'],
  ['163', '450 DT:RBL 163 mx2', 'address'],
  ['163', '554 DT:SPM 163 mx10,abc', 'other'],
  ['163', '550 User not found: nobody@163.com', 'other'],
  ['163', '451 MI:SFQ 163 mx5', 'other'],
  ['Coremail', '553 Requested action not taken: IP is rejected', 'address'],
  ['Coremail', '552 Quota exceeded or service disabled', 'other'],
  ['Sina', '554 rbl deny', 'address'],
  ['Sina', '552 message rejected by anti-spam engine', 'other'],
  // MTAs
  ['Postfix', '554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org', 'address'],
  ['Postfix', '554 5.7.1 <mail.example.org[192.0.2.1]>: Client host rejected: Access denied', 'address'],
  ['Postfix', '450 4.7.25 Client host rejected: cannot find your hostname, [192.0.2.1]', 'address'],
  ['Postfix', '450 4.7.1 <a@example.net>: Recipient address rejected: Greylisted, see the page', 'other'],
  ['Postfix', '554 5.7.1 <a@example.net>: Relay access denied', 'other'],
  ['Postfix', '550 5.1.1 <a@example.net>: Recipient address rejected: User unknown in virtual mailbox table', 'other'],
  ['Postfix', '550 5.1.8 <b@example.org>: Sender address rejected: Domain not found', 'other'],
  ['Postfix', '552 5.3.4 Message size exceeds fixed limit', 'other'],
  ['Postfix', '421 4.7.0 mx.example.net Error: too many connections from 192.0.2.1', 'address'],
  ['Postfix', '550 5.7.1 Service unavailable; Sender address [b@example.org] blocked using dbl.spamhaus.org', 'other'],
  ['postscreen', '521 5.7.1 Blocked by DNSBL', 'address'],
  ['Exim', '550 192.0.2.1 is listed at bl.spamcop.net (127.0.0.2)', 'address'],
  ['Exim', '550 relay not permitted', 'other'],
  ['Exim', '550 Sender verify failed', 'other'],
  ['Exim', '451 Temporary local problem - please try later', 'other'],
  ['Sendmail', '550 5.7.1 Access denied', 'address'],
  ['Sendmail', '553 5.1.8 Domain of sender address b@example.org does not exist', 'other'],
  [
    'Barracuda',
    '554 Service unavailable; Client host [mx] blocked using Barracuda Reputation; https://www.barracudacentral.org/reputation?ip=192.0.2.1',
    'address',
  ],
  ['Proofpoint', '554 5.7.1 192.0.2.1 Blocked - see https://ipcheck.proofpoint.com/?ip=192.0.2.1', 'address'],
  ['Mimecast', '550 csi.mimecast.org Poor Reputation Sender. - the IP address is blocked', 'address'],
  [
    'Cisco',
    "554 Your access to this mail system has been rejected due to the sending MTA's poor reputation",
    'address',
  ],
  ['Symantec', '421 Service Temporarily Unavailable', 'other'],
  ['SpamAssassin', '550 5.7.1 Message content rejected, UBE, id=1', 'other'],
  ['a scanner', '554 5.6.0 Message contains a virus', 'other'],
  ['any', '556 5.1.10 the domain takes no mail (null MX)', 'other'],
  ['any', '501 5.1.3 Bad recipient address syntax', 'other'],
]

for (const [who, reply, cause, again] of table) {
  test(`${who}: ${reply.slice(0, 60)}${again ? ', again' : ''}`, () => {
    const match = /^(\d{3}) (?:(\d\.\d{1,3}\.\d{1,3}) )?(.*)$/.exec(reply)
    assert.ok(match, reply)
    const [, code = '', given, text = ''] = match
    const kind = code.startsWith('5') ? ('permanent' as const) : ('temporary' as const)
    // The outside courier puts what was being said in front.
    const said = { kind, code: Number(code), status: given ?? `${code[0]}.0.0`, text: `RCPT TO: ${code} ${text}` }
    assert.equal(refusalCause(said, again === 'again'), cause)
  })
}

test('no host that answers: another node may reach one', () => {
  const silent = (status: string, text: string) => refusalCause({ kind: 'temporary', code: 451, status, text })
  assert.equal(silent('4.4.1', 'connect ECONNREFUSED 192.0.2.25:25'), 'unreachable')
  assert.equal(silent('4.4.1', 'no connection in 30000 ms'), 'unreachable')
  assert.equal(silent('4.4.2', 'the other side ended the connection'), 'unreachable')
  assert.equal(silent('4.4.3', 'the name servers do not answer'), 'other')
})

test('what was delivered has no cause', () => {
  assert.equal(refusalCause({ kind: 'delivered', code: 250, status: '2.0.0', text: 'client host blocked' }), 'other')
})
