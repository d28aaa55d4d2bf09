// skein dns: the records that this mesh should publish, and whether they are published.
import type { DnsFinding, DnsState, DnsZone } from '@skein/admin'
import { SkeinError } from '@skein/runtime'
import type { Command } from 'commander'
import { collect, contextOf } from './command-context.ts'

const marks: Record<DnsState, string> = {
  right: 'ok',
  missing: 'MISSING',
  wrong: 'WRONG',
  extra: 'EXTRA',
  unknown: 'UNKNOWN',
}

export function addDnsCommand(program: Command): void {
  program
    .command('dns')
    .description('the DNS records that this mesh should publish, as a zone file')
    .option('--check', 'compare them with what is published now (name servers: outside.dns-servers)')
    .option('--domain <domain>', 'only this one; may be given again', collect)
    .action(async (options: { check?: boolean; domain?: string[] }, command: Command) => {
      const { compareDns, formatZones } = await import('@skein/admin')
      const { ask, output, paths } = contextOf(command)
      const mesh = (await ask('dns.plan')) as DnsZone[]
      const zones = chosen(mesh, options.domain)
      if (options.check !== true) {
        output.result({ zones }, () => formatZones(zones).trimEnd())
        return
      }
      const { readConfig } = await import('../config.ts')
      const { createDnsLookup } = await import('../dns-lookup.ts')
      const servers = readConfig(paths.config).outside['dns-servers']
      const findings = await compareDns(zones, createDnsLookup(servers), mesh)
      const isRight = findings.every(({ state }) => state === 'right')
      output.result({ ok: isRight, findings, zones }, () => describe(findings, zones))
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

function describe(findings: readonly DnsFinding[], zones: readonly DnsZone[]): string {
  const wrong = findings.filter(({ state }) => state !== 'right').length
  return [
    ...findings.map(({ name, type, state, text }) => `${marks[state].padEnd(8)} ${type.padEnd(5)} ${name}: ${text}`),
    ...zones.flatMap(({ notes }) => notes.map((note) => `note: ${note}`)),
    wrong === 0 ? 'all is published as it should be' : `${wrong} of ${findings.length} are not as they should be`,
  ].join('\n')
}
