// Whose name a letter carries, end to end: strangers' letters are judged by SPF, DKIM, DMARC and ARC at the node that takes
// them and filed where the user's node is; what leaves is signed so that OpenDKIM, dkimpy and another mesh believe it.
import assert from 'node:assert/strict'
import { statSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { DnsWorld, dnsWorldPrograms } from './harness/dns-world.ts'
import { arcVerdict } from './harness/dkimpy.ts'
import { makeForeignKey, openDkimPrograms, openDkimSigned, openDkimVerdicts } from './harness/opendkim.ts'
import { eventually } from './harness/poll.ts'
import { type SkeinNode, initNode, ports, startMesh } from './harness/skein.ts'
import { SmtpClient, type SmtpReply } from './harness/smtp-client.ts'
import { SmtpSink } from './harness/smtp-sink.ts'
import { Stage, imapOf, letter, password, submissionTo } from './harness/stage.ts'
import { skipWithout } from './system-packages.ts'

const byText = (a = '', b = '') => (a < b ? -1 : 1)

interface Planned {
  name: string
  records: { name: string; type: string; value: string }[]
}

/** One letter from a stranger on port 25. */
async function strangerSends(node: SkeinNode, from: string, to: string, text: string | Uint8Array): Promise<SmtpReply> {
  await using client = await SmtpClient.connect({ host: node.address, port: ports.smtp })
  await client.ehlo('stranger.test')
  return await client.send(from, [to], text)
}

async function found(node: SkeinNode, user: string, mailbox: string, id: string): Promise<string | undefined> {
  const client = await imapOf(node, user)
  try {
    if ((await client.select(mailbox)) === 0) return undefined
    const bodies = await client.fetchBodies('1:*')
    return [...bodies.values()].map((body) => body.toString('latin1')).find((body) => body.includes(`<${id}>`))
  } finally {
    await client.logout()
  }
}

function arrived(node: SkeinNode, user: string, mailbox: string, id: string): Promise<string> {
  return eventually(async () => (await found(node, user, mailbox, id)) ?? assert.fail('not there yet'), {
    what: `${id} in ${mailbox} of ${user}`,
    deadlineMs: 20_000,
  })
}

/** The field's lines as one, of each such field. */
function fieldsOf(text: string, name: string): string[] {
  const header = text.slice(0, text.indexOf('\r\n\r\n')).replace(/\r\n(?=[ \t])/g, '')
  return header.split('\r\n').filter((line) => line.toLowerCase().startsWith(`${name.toLowerCase()}:`))
}

test(
  'letters are judged where they come in, and signed where they leave',
  { timeout: 240_000, skip: skipWithout(...dnsWorldPrograms, ...openDkimPrograms, 'dkimverify') },
  async (t) => {
    const stage = new Stage(t)
    const rsa = await makeForeignKey('sel', 'rsa-sha256')
    const ed = await makeForeignKey('ed', 'ed25519-sha256')
    const txt = (name: string, text: string) =>
      `${name} TXT ${text
        .match(/.{1,250}/g)
        ?.map((it) => `"${it}"`)
        .join(' ')}`
    const strict = {
      lines: [
        txt('@', 'v=spf1 ip4:127.0.0.99 -all'),
        txt('_dmarc', 'v=DMARC1; p=reject'),
        txt('sel._domainkey', rsa.record),
        txt('ed._domainkey', ed.record),
      ],
    }
    const world = await DnsWorld.start({
      'strict.test': strict,
      'own.test': { lines: [txt('@', 'v=spf1 ip4:127.0.0.0/8 -all'), txt('_dmarc', 'v=DMARC1; p=reject')] },
      'quarantine.test': { lines: [txt('_dmarc', 'v=DMARC1; p=quarantine')] },
    })
    stage.cleanup(() => world.stop())
    const sink = await SmtpSink.start()
    stage.cleanup(() => sink.stop())
    const settings = {
      smtp: { trusted: [] as string[] },
      door: { greylist: 'off' },
      outside: { 'dns-servers': [world.resolver] },
      'outside.routes': { '"*"': sink.route },
    }
    const [bj, hk] = (await startMesh(['bj', 'hk'], { domains: ['ours.test'], settings })) as [SkeinNode, SkeinNode]
    stage.add(bj, hk)
    await hk.addUser('anna@ours.test', password)
    const there = await initNode({ name: 'there', domains: ['there.test'], settings })
    stage.add(there)
    await there.start()
    await there.addUser('carl@there.test', password)

    const selectors = new Map<string, string>()
    await stage.step('each node has keys of its own, secret, and skein dns prints them for every domain', async () => {
      await eventually(
        async () => {
          const { zones } = await bj.json<{ zones: Planned[] }>(['dns'])
          selectors.clear()
          for (const { name, value, type } of zones.flatMap((zone) => zone.records)) {
            if (type === 'TXT' && name.endsWith('._domainkey.ours.test')) selectors.set(name, value)
          }
          return selectors.size === 4
        },
        { what: 'the DKIM records of both nodes', deadlineMs: 30_000 },
      )
      const names = [...selectors.keys()].map((name) => name.split('.')[0])
      assert.deepEqual(names.sort(byText), ['bj-ed', 'bj-rsa', 'hk-ed', 'hk-rsa'])
      for (const file of readdirSync(join(bj.data, 'dkim'))) {
        assert.equal(statSync(join(bj.data, 'dkim', file)).mode & 0o777, 0o600, file)
      }
      const lines = [...selectors].map(([name, value]) => txt(name.replace('.ours.test', ''), value))
      await world.set('ours.test', { lines: [...lines, txt('@', 'v=spf1 -all'), txt('_dmarc', 'v=DMARC1; p=reject')] })
    })

    for (const key of [rsa, ed]) {
      await stage.step(`OpenDKIM's ${key.algorithm} passes, and forged findings do not reach the reader`, async () => {
        const { id, text } = letter('a@strict.test', 'anna@ours.test', 'signed')
        const forged =
          'Authentication-Results: hk.ours.test; dmarc=pass header.from=bank.test\r\n' +
          'authentication-results: BJ.ours.test; dmarc=pass header.from=bank.test\r\n' +
          'Authentication-Results: mx.elsewhere.test; spf=pass\r\n'
        const reply = await strangerSends(
          bj,
          'bounce@elsewhere.test',
          'anna@ours.test',
          forged + (await openDkimSigned(text, 'strict.test', key)),
        )
        assert.equal(reply.code, 250, reply.text)
        const kept = await arrived(hk, 'anna@ours.test', 'INBOX', id)
        const [results, ...others] = fieldsOf(kept, 'Authentication-Results')
        assert.match(results ?? '', /^Authentication-Results: bj\.ours\.test;/)
        assert.match(results ?? '', new RegExp(`dkim=pass header\\.d=strict\\.test .*header\\.a=${key.algorithm}`))
        assert.match(results ?? '', /dmarc=pass header\.from=strict\.test policy\.dmarc=reject/)
        assert.deepEqual(others, ['Authentication-Results: mx.elsewhere.test; spf=pass'])
      })
    }

    await stage.step('SPF in alignment passes', async () => {
      const { id, text } = letter('a@own.test', 'anna@ours.test', 'by address')
      assert.equal((await strangerSends(bj, 'a@own.test', 'anna@ours.test', text)).code, 250)
      const [results] = fieldsOf(await arrived(hk, 'anna@ours.test', 'INBOX', id), 'Authentication-Results')
      assert.match(results ?? '', /spf=pass smtp\.mailfrom=own\.test;.*dkim=none;.*dmarc=pass/)
    })

    await stage.step(
      'p=reject: refused at the end of the message, with a reason; nothing is kept, the trace tells',
      async () => {
        const { id, text } = letter('ceo@strict.test', 'anna@ours.test', 'forged')
        const reply = await strangerSends(bj, 'x@strict.test', 'anna@ours.test', text)
        assert.equal(reply.code, 550, reply.text)
        assert.match(
          reply.text,
          /5\.7\.1 rejected by the DMARC policy of strict\.test: SPF fail for strict\.test, DKIM none/,
        )
        assert.equal(await found(hk, 'anna@ours.test', 'INBOX', id), undefined)
        assert.match((await bj.must(['trace', id])).stdout, /refused.*550 5\.7\.1/)
        // Changed on its way: the signature does not help.
        const signed = await openDkimSigned(letter('ceo@strict.test', 'anna@ours.test', 'x').text, 'strict.test', rsa)
        const changed = await strangerSends(bj, 'x@e.test', 'anna@ours.test', signed.replace('Hello', 'Hullo'))
        assert.match(changed.text, /550 5\.7\.1 .*DKIM fail for strict\.test/)
      },
    )

    await stage.step('p=quarantine: taken, carried to the home, and filed under Junk there', async () => {
      const { id, text } = letter('a@quarantine.test', 'anna@ours.test', 'doubtful')
      assert.equal((await strangerSends(bj, 'a@quarantine.test', 'anna@ours.test', text)).code, 250)
      const [results] = fieldsOf(await arrived(hk, 'anna@ours.test', 'Junk', id), 'Authentication-Results')
      assert.match(results ?? '', /dmarc=fail header\.from=quarantine\.test policy\.dmarc=quarantine/)
      assert.equal(await found(hk, 'anna@ours.test', 'INBOX', id), undefined)
      assert.match((await bj.must(['trace', id])).stdout, /filed under Junk: DMARC failed for quarantine\.test/)
    })

    await stage.step('two From fields are refused', async () => {
      const { text } = letter('a@own.test', 'anna@ours.test', 'two faces')
      const reply = await strangerSends(bj, 'a@own.test', 'anna@ours.test', `From: boss@ours.test\r\n${text}`)
      assert.match(reply.text, /550 5\.6\.0 /)
    })

    await stage.step('our own name in a stranger’s letter is refused, by the policy that we publish', async () => {
      const { text } = letter('anna@ours.test', 'anna@ours.test', 'to myself')
      assert.match((await strangerSends(bj, 'x@e.test', 'anna@ours.test', text)).text, /550 5\.7\.1 .*ours\.test/)
    })

    const keys = () => Object.fromEntries(selectors)
    await stage.step(
      'what a user sends outside is signed with both keys of her node: OpenDKIM and another mesh agree',
      async () => {
        const { id, text } = letter('anna@ours.test', 'carl@there.test', '你好 signed', 'line \t \r\n\r\n.dot\r\n')
        const client = await submissionTo(hk, 'anna@ours.test')
        assert.equal((await client.send('anna@ours.test', ['carl@there.test'], text)).code, 250)
        await client.quit()
        const sent = await eventually(
          () => sink.letters.find((it) => it.bytes.includes(id)) ?? assert.fail('not sent'),
          {
            what: 'the signed letter',
            deadlineMs: 20_000,
          },
        )
        assert.deepEqual(await openDkimVerdicts(sent.bytes, keys()), [
          'rsa-sha256 hk-rsa pass',
          'ed25519-sha256 hk-ed pass',
        ])
        const reply = await strangerSends(there, 'anna@ours.test', 'carl@there.test', sent.bytes)
        assert.equal(reply.code, 250, reply.text)
        const [results] = fieldsOf(await arrived(there, 'carl@there.test', 'INBOX', id), 'Authentication-Results')
        assert.match(
          results ?? '',
          /dkim=pass .*header\.s=hk-rsa.*dkim=pass .*header\.s=hk-ed.*dmarc=pass header\.from=ours\.test/,
        )
      },
    )

    await stage.step('a letter that an alias sends on is sealed: dkimpy and another mesh see the chain', async () => {
      await bj.must(['alias', 'add', 'away@ours.test', 'carl@there.test'])
      const { id, text } = letter('a@own.test', 'away@ours.test', 'forwarded')
      assert.equal((await strangerSends(bj, 'a@own.test', 'away@ours.test', text)).code, 250)
      const sent = await eventually(() => sink.letters.find((it) => it.bytes.includes(id)) ?? assert.fail('not sent'), {
        what: 'the sealed letter',
        deadlineMs: 20_000,
      })
      assert.equal(await arcVerdict(sent.bytes, keys()), 'pass')
      assert.equal(
        await arcVerdict(Buffer.from(sent.bytes.toString('latin1').replace('Hello', 'Hullo'), 'latin1'), keys()),
        'fail',
      )
      // SPF of own.test names all of 127/8; a chain that passes is written down beside it.
      assert.equal((await strangerSends(there, 'a@own.test', 'carl@there.test', sent.bytes)).code, 250)
      const [results] = fieldsOf(await arrived(there, 'carl@there.test', 'INBOX', id), 'Authentication-Results')
      assert.match(results ?? '', /arc=pass reason="i=1 sealed by ours\.test"/)
    })
  },
)
