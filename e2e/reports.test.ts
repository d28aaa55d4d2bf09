// Reports of others come in at one node and are read at another; what this mesh sees of others waits to be told.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { eventually } from './harness/poll.ts'
import { type SkeinNode, ports, startMesh } from './harness/skein.ts'
import { SmtpClient } from './harness/smtp-client.ts'
import { Stage, imapOf, letter, password, submissionTo } from './harness/stage.ts'

const user = 'aaa@test.com'

const dmarc = `<?xml version="1.0"?><feedback xmlns="urn:ietf:params:xml:ns:dmarc-2.0"><version>1.0</version>
<report_metadata><org_name>Reporter</org_name><email>d@there.test</email><report_id>r1</report_id>
<date_range><begin>1795910400</begin><end>1795996799</end></date_range></report_metadata>
<policy_published><domain>test.com</domain><p>none</p><testing>n</testing></policy_published>
<record><row><source_ip>192.0.2.9</source_ip><count>5</count><policy_evaluated><disposition>pass</disposition>
<dkim>pass</dkim><spf>fail</spf></policy_evaluated></row><identifiers><header_from>test.com</header_from></identifiers>
<auth_results><spf><domain>test.com</domain><result>fail</result></spf></auth_results></record>
<record><row><source_ip>192.0.2.66</source_ip><count>3</count><policy_evaluated><disposition>none</disposition>
<dkim>fail</dkim><spf>fail</spf></policy_evaluated></row><identifiers><header_from>test.com</header_from></identifiers>
<auth_results><spf><domain>spam.test</domain><result>pass</result></spf></auth_results></record></feedback>`

const attached = (name: string, body: Uint8Array) =>
  [
    'From: <d@there.test>',
    'To: <postmaster@test.com>',
    'Subject: Report Domain: test.com',
    'Message-ID: <r1@there.test>',
    'MIME-Version: 1.0',
    `Content-Type: application/gzip; name="${name}"`,
    `Content-Disposition: attachment; filename="${name}"`,
    'Content-Transfer-Encoding: base64',
    '',
    Buffer.from(body)
      .toString('base64')
      .replace(/.{1,76}/g, '$&\r\n'),
  ].join('\r\n')

const complaint = (about: string) =>
  [
    'From: <fbl@there.test>',
    'To: <abuse@test.com>',
    'MIME-Version: 1.0',
    'Content-Type: multipart/report; report-type=feedback-report; boundary=b',
    '',
    '--b',
    'Content-Type: message/feedback-report',
    '',
    'Feedback-Type: abuse',
    'Version: 1',
    `Original-Mail-From: <${user}>`,
    'Source-IP: 192.0.2.1',
    '',
    '--b',
    'Content-Type: text/rfc822-headers',
    '',
    `Message-ID: <${about}>`,
    'Subject: buy',
    '',
    '--b--',
    '',
  ].join('\r\n')

test('reports', { timeout: 120_000 }, async (t) => {
  const stage = new Stage(t)
  let first!: SkeinNode
  let second!: SkeinNode

  await stage.step('two nodes; a user on the first is an administrator', async () => {
    const nodes = await startMesh(['first', 'second'])
    stage.add(...nodes)
    ;[first, second] = nodes as [SkeinNode, SkeinNode]
    await first.addUser(user, password)
    await first.must(['alias', 'add', 'postmaster@test.com', user])
    await first.must(['alias', 'add', 'abuse@test.com', user])
    await eventually(async () => (await second.users()).length === 1, { what: 'the user is known at the second' })
  })

  const send = async (node: SkeinNode, to: string, text: string) => {
    await using client = await SmtpClient.connect({ host: node.address, port: ports.smtp })
    await client.ehlo()
    const reply = await client.send('d@there.test', [to], text)
    assert.equal(reply.code, 250, reply.text)
  }
  const reports = async (node: SkeinNode) =>
    (
      await node.json<{ reports: { id: string; kind: string; letters?: number; failing?: number; node: string }[] }>([
        'report',
        'list',
      ])
    ).reports

  await stage.step('a DMARC report that comes in at the second node is listed and shown at the first', async () => {
    await send(second, 'postmaster@test.com', attached('there.test!test.com!1!2.xml.gz', gzipSync(dmarc)))
    const [report] = await eventually(
      async () => {
        const found = await reports(first)
        return found.length > 0 ? found : undefined
      },
      { what: 'the report is listed' },
    )
    assert.deepEqual([report?.kind, report?.letters, report?.failing, report?.node], ['dmarc', 8, 3, 'second'])
    const shown = await first.must(['report', 'show', report?.id as string])
    assert.match(shown.stdout, /192\.0\.2\.66 +3 +none +fail +fail/)
    await using client = await imapOf(first, user)
    await eventually(async () => (await client.count('INBOX')) === 1, { what: 'the letter itself is in the mailbox' })
  })

  await stage.step('a complaint names the letter that it is about', async () => {
    const { id, text } = letter(user, user, 'buy')
    const client = await submissionTo(first, user)
    assert.equal((await client.send(user, [user], text)).code, 250)
    client.link.destroy()
    await send(first, 'abuse@test.com', complaint(id))
    const report = await eventually(async () => (await reports(second)).find(({ kind }) => kind === 'abuse'), {
      what: 'the complaint is listed',
    })
    const shown = await second.must(['report', 'show', report.id])
    assert.ok(shown.stdout.includes(`skein trace '${id}'`), shown.stdout)
    const traced = await second.must(['trace', id])
    assert.match(traced.stdout, /accepted/)
  })

  await stage.step('garbage that claims to be a report is a letter like any other', async () => {
    await send(first, 'postmaster@test.com', attached('x!y!1!2.xml.gz', Buffer.from('not gzip')))
    await eventually(() => first.log.includes('a report could not be read'), { what: 'the log says so' })
    assert.equal((await reports(first)).length, 2)
  })

  await stage.step('received reports outlive a restart; nothing waits to be told of nobody', async () => {
    await second.restart()
    await eventually(async () => (await reports(second)).length === 2, { what: 'both reports again' })
    assert.equal(
      (await first.must(['report', 'send'])).stdout.trim(),
      '0 sent, 0 that nobody asked for, 0 to be tried again',
    )
  })
})
