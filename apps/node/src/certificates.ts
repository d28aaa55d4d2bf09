// The certificate in use as operators see it, and who keeps it good: an authority by ACME where [acme] names one, else nobody.
import { X509Certificate } from 'node:crypto'
import { existsSync } from 'node:fs'
import { createDynamicUpdates, createZoneQuestions } from '@skein/dns'
import { type Clock, type Random, SkeinError } from '@skein/runtime'
import type { AcmeSettings } from './acme/acme-settings.ts'
import { type AcmeView, type KeeperComponents, createCertificateKeeper, namesOf } from './acme/certificate-keeper.ts'
import { createDnsChallenges } from './acme/dns-challenges.ts'
import { acmeLimits } from './acme/limits.ts'
import type { Prover } from './acme/order.ts'

export interface CertificateView {
  names: string[]
  issuer: string
  selfMade: boolean
  notBeforeMs: number
  notAfterMs: number
  /** Absent: an operator looks after it. */
  acme?: AcmeView
}

export interface Certificates {
  view(): CertificateView
  /** Sentences for whoever looks at the node. */
  warnings(): string[]
  /** @throws SkeinError `acme-off`, `acme-failed`, `acme-busy` */
  renew(): Promise<void>
  start(): void
  stop(): Promise<void>
}

const warnDays = 14

export function createCertificates(
  parts: Omit<KeeperComponents, 'prover'> & { httpProver: Prover },
  settings: AcmeSettings | undefined,
  names: { hostName: string },
): Certificates {
  const { tls, clock, paths } = parts
  const prover = settings?.updates ? dnsProver(parts, settings.updates) : parts.httpProver
  const keeper = settings && createCertificateKeeper({ ...parts, prover }, settings, names)

  function view(): CertificateView {
    const { cert } = tls.current()
    const certificate = new X509Certificate(cert)
    return {
      names: namesOf(cert),
      issuer: certificate.issuer.split('\n').join(', '),
      selfMade: existsSync(paths.tlsSelfMade) && certificate.issuer === certificate.subject,
      notBeforeMs: Date.parse(certificate.validFrom),
      notAfterMs: Date.parse(certificate.validTo),
      ...(keeper && { acme: keeper.view() }),
    }
  }

  return {
    view,
    warnings() {
      const { notBeforeMs, notAfterMs, acme } = view()
      const leftMs = notAfterMs - clock.nowMs()
      const told: string[] = []
      if (leftMs <= 0) told.push('the certificate has expired')
      // One that lives for days only is not near its end all the time.
      else if (leftMs < Math.min(warnDays * 86_400_000, (notAfterMs - notBeforeMs) / 4)) {
        told.push(`the certificate expires ${new Date(notAfterMs).toISOString()}`)
      }
      if (acme?.state === 'failing') told.push(`no new certificate (${acme.failures} times): ${acme.error}`)
      for (const { name, why } of acme?.refused ?? []) told.push(`the certificate goes without ${name}: ${why}`)
      return told
    },
    async renew() {
      if (!keeper) {
        throw new SkeinError('acme-off', 'refused', 'no authority is named: [acme] in skein.toml has no directory')
      }
      await keeper.renew()
    },
    start: () => keeper?.start(),
    async stop() {
      await keeper?.stop()
    },
  }
}

function dnsProver(
  { clock, random, logger }: { clock: Clock; random: Random; logger: KeeperComponents['logger'] },
  { server, key, waitMs }: NonNullable<AcmeSettings['updates']>,
): Prover {
  const timeoutMs = acmeLimits.updateTimeoutMs
  const updates = createDynamicUpdates({ clock, random }, { server, key, timeoutMs })
  const zones = createZoneQuestions({ clock, random }, { server, timeoutMs })
  return createDnsChallenges({ updates, zones, clock, logger }, { waitMs })
}
