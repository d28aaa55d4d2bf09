// Inbound with every check: letters from a stranger, each with an RSA signature, SPF and a DMARC policy to look up, beside the
// same letters at a node that takes them from the same stranger and checks nothing, and at one that trusts him. All serve in
// turn, in one run.
import { generateKeyPairSync } from 'node:crypto'
import mailauth from 'mailauth'
import { DnsWorld } from '../harness/dns-world.ts'
import { processorMs } from '../harness/processes.ts'
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
      const trusting = await started(nodes, world, 'trusting')
      const unchecking = await started(nodes, world, 'unchecking')
      const checking = await started(nodes, world, 'checking')
      const loadOn = async (node: SkeinNode) => {
        const pid = node.process?.pid ?? 0
        const beforeMs = processorMs(pid)
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
        const processor = (processorMs(pid) - beforeMs) / result.letters
        return { rate: result.lettersPerSecond, processor }
      }
      const found: { checked: number; ratio: number; ofTrusted: number; checkedMs: number; uncheckedMs: number }[] = []
      for (let round = 0; round < rounds; round++) {
        const trusted = await loadOn(trusting)
        const unchecked = await loadOn(unchecking)
        const checked = await loadOn(checking)
        found.push({
          checked: checked.rate,
          ratio: checked.rate / unchecked.rate,
          ofTrusted: checked.rate / trusted.rate,
          checkedMs: checked.processor,
          uncheckedMs: unchecked.processor,
        })
      }
      const measure = (what: string, unit: string, key: keyof (typeof found)[number], better: 'more' | 'less') => ({
        name: `${this.name}${what}`,
        unit,
        value: median(found.map((it) => it[key])),
        better,
      })
      const measures: Measure[] = [
        measure('', 'letters/s', 'checked', 'more'),
        { ...measure(' of unchecked', 'ratio', 'ratio', 'more'), goal: { value: 0.7 } },
        measure(' of trusted', 'ratio', 'ofTrusted', 'more'),
        measure(' processor time', 'ms/letter', 'checkedMs', 'less'),
        measure(' processor time unchecked', 'ms/letter', 'uncheckedMs', 'less'),
      ]
      return measures
    } finally {
      await stopNodes(nodes)
      await world.stop()
    }
  },
}

type Kind = 'trusting' | 'unchecking' | 'checking'

async function started(nodes: SkeinNode[], world: DnsWorld, kind: Kind): Promise<SkeinNode> {
  const node = await initNode({
    name: kind,
    domains: ['bench.test'],
    settings: {
      ...benchSettings(),
      smtp: { trusted: kind === 'trusting' ? ['127.0.0.0/8'] : [] },
      authentication: { check: kind === 'checking' },
      door,
      outside: { 'dns-servers': [world.resolver] },
    },
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
