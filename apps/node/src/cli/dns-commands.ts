// skein dns: the records that this mesh should publish, and whether they are published.
import type { DnsFinding, DnsState, DnsZone } from '@skein/admin'
import { SkeinError } from '@skein/runtime'
import type { Command } from 'commander'
import { choice, collect, contextOf } from './command-context.ts'

const marks: Record<DnsState, string> = {
  right: 'ok',
  advice: 'advice',
  missing: 'MISSING',
  wrong: 'WRONG',
  extra: 'EXTRA',
  unknown: 'UNKNOWN',
}

interface DnsOptions {
  check?: boolean
  domain?: string[]
  mx: string
  region?: string
}

export function addDnsCommand(program: Command): void {
  program
    .command('dns')
    .description('the DNS records that this mesh should publish, as a zone file')
    .option('--check', 'compare them with what is published now (name servers: outside.dns-servers)')
    .option('--domain <domain>', 'only this one; may be given again', collect)
    .addOption(
      choice('--mx <order>', ['priority', 'equal'], 'MX by the nodes’ priority, or all equal').default('priority'),
    )
    .option('--region <region>', 'nodes of this region first: for a view of the zone that only that region sees')
    .action(async ({ check, domain, mx, region }: DnsOptions, command: Command) => {
      const { compareDns, formatZones, isFault, probeServices } = await import('@skein/admin')
      const { ask, output, paths } = contextOf(command)
      const mesh = (await ask('dns.plan', { exchangers: mx, region })) as DnsZone[]
      const zones = chosen(mesh, domain)
      if (check !== true) {
        output.result({ zones }, () => formatZones(zones).trimEnd())
        return
      }
      const { readConfig } = await import('../config.ts')
      const { createDnsLookup } = await import('../dns-lookup.ts')
      const { dnsProbes } = await import('../dns-probes.ts')
      const lookup = createDnsLookup(readConfig(paths.config).outside['dns-servers'])
      const findings = [
        ...(await compareDns(zones, lookup, mesh)),
        ...(await probeServices(zones, mesh, lookup, dnsProbes)),
      ]
      const isRight = !findings.some(({ state }) => isFault(state))
      const text = await describe(findings, zones)
      output.result({ ok: isRight, findings, zones }, () => text)
      if (!isRight) process.exitCode = 1
    })
}

function chosen(zones: DnsZone[], domains: readonly string[] | undefined): DnsZone[] {
  if (domains === undefined) return zones
  const wanted = domains.map((name) => name.toLowerCase().replace(/\.$/, ''))
  const unknown = wanted.find((name) => !zones.some((zone) => zone.name === name))
  if (unknown !== undefined) throw new SkeinError('no-such-domain', 'refused', `this mesh has no domain ${unknown}`)
  return zones.filter(({ name }) => wanted.includes(name))
}

async function describe(findings: readonly DnsFinding[], zones: readonly DnsZone[]): Promise<string> {
  const { formatRecords, isFault } = await import('@skein/admin')
  const indent = ' '.repeat(9)
  const wrong = findings.filter(({ state }) => isFault(state)).length
  return [
    ...findings.flatMap(({ name, type, state, text, fix, publish = [] }) => [
      `${marks[state].padEnd(8)} ${type.padEnd(6)} ${name}: ${text}`,
      ...(fix === undefined ? [] : [`${indent}fix: ${fix}${publish.length > 0 ? ':' : ''}`]),
      ...formatRecords(publish).map((line) => `${indent}${line}`),
    ]),
    ...zones.flatMap(({ notes }) => notes.map((note) => `note: ${note}`)),
    wrong === 0 ? 'all is published as it should be' : `${wrong} of ${findings.length} are not as they should be`,
  ].join('\n')
}
