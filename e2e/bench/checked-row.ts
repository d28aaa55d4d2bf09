// Inbound with every check: letters from a stranger, each with an RSA signature, SPF and a DMARC policy to look up, beside the
// same letters at the same kind of node that checks nothing. Both serve in turn, in one run.
import { generateKeyPairSync } from 'node:crypto'
import mailauth from 'mailauth'
import { DnsWorld } from '../harness/dns-world.ts'
import { type SkeinNode, initNode, stopNodes } from '../harness/skein.ts'
import { generate } from './generator.ts'
import { median } from './job.ts'
import type { Measure, OwnRow } from './row.ts'
import { letterRest } from './smtp-load.ts'
import { addUser, benchPassword, benchSettings, endpoint } from './targets.ts'

const messageBytes = 10_000
const users = Array.from({ length: 20 }, (_, index) => ({ address: `u${index}@bench.test`, password: benchPassword }))
const rounds = 3
/** One stranger sends all of it. */
const door = {
  greylist: 'off',
  'letters-per-address-max': 1_000_000,
  'recipients-per-address-max': 1_000_000,
  'letters-per-recipient-max': 1_000_000,
}

export const checkedRow: OwnRow = {
  kind: 'own',
  name: 'deliver-checked-10k-20',
  async run({ seconds }) {
    const { signature, record } = await signed()
    const world = await DnsWorld.start({
      'bench.example': {
        lines: [
          '@ TXT "v=spf1 ip4:127.0.0.0/8 -all"',
          '_dmarc TXT "v=DMARC1; p=reject"',
          `s._domainkey TXT ${record
            .match(/.{1,250}/g)
            ?.map((text) => `"${text}"`)
            .join(' ')}`,
        ],
      },
    })
    const nodes: SkeinNode[] = []
    try {
      const plain = await started(nodes, world, ['127.0.0.0/8'])
      const checking = await started(nodes, world, [])
      const rateOf = async (node: SkeinNode) => {
        const result = await generate({
          kind: 'deliver',
          protocol: 'smtp',
          endpoint: endpoint(node, 'smtp'),
          imap: endpoint(node, 'imap'),
          users,
          sessions: 20,
          oneLetterASession: false,
          messageBytes,
          headerFields: signature,
          seconds,
          lettersMax: 0,
        })
        if (result.refused > 0) throw new Error(`${node.name} refused ${result.refused} letters`)
        return result.lettersPerSecond
      }
      const pairs: { checked: number; ratio: number }[] = []
      for (let round = 0; round < rounds; round++) {
        const unchecked = await rateOf(plain)
        const checked = await rateOf(checking)
        pairs.push({ checked, ratio: checked / unchecked })
      }
      const measures: Measure[] = [
        {
          name: this.name,
          unit: 'letters/s',
          value: median(pairs.map(({ checked }) => checked)),
          better: 'more',
        },
        {
          name: `${this.name} of unchecked`,
          unit: 'ratio',
          value: median(pairs.map(({ ratio }) => ratio)),
          better: 'more',
          goal: { value: 0.7 },
        },
      ]
      return measures
    } finally {
      await stopNodes(nodes)
      await world.stop()
    }
  },
}

async function started(nodes: SkeinNode[], world: DnsWorld, trusted: string[]): Promise<SkeinNode> {
  const settings = benchSettings()
  const name = trusted.length > 0 ? 'plain' : 'checking'
  const node = await initNode({
    name,
    domains: ['bench.test'],
    settings: { ...settings, smtp: { trusted }, door, outside: { 'dns-servers': [world.resolver] } },
  })
  nodes.push(node)
  await node.start()
  for (const { address } of users) await addUser(node, address)
  return node
}

/** A signature that leaves out Message-ID, which differs from letter to letter. */
async function signed(): Promise<{ signature: string; record: string }> {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const rest = letterRest(messageBytes)
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
  const choice = { signingDomain: 'bench.example', selector: 's', privateKey: key }
  const { signatures } = await mailauth.dkimSign(rest.subarray(0, -'.\r\n'.length), {
    ...choice,
    canonicalization: 'relaxed/relaxed',
    headerList: 'From:To:Subject:Date:MIME-Version:Content-Type',
    signatureData: [choice],
  })
  const spki = publicKey.export({ type: 'spki', format: 'der' }).toString('base64')
  return { signature: signatures, record: `v=DKIM1; k=rsa; p=${spki}` }
}
