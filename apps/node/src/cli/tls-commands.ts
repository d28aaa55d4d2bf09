// skein tls: the certificate in use, and a new one on demand.
import type { Command } from 'commander'
import type { CertificateView } from '../certificates.ts'
import { contextOf } from './command-context.ts'
import { formatTime } from './output.ts'

export function addTlsCommands(program: Command): void {
  const tls = program
    .command('tls')
    .description('this node’s certificate: its names, its end, and how the authority’s orders go')
    .action(async (_options, command: Command) => {
      const { ask, output } = contextOf(command)
      const view = (await ask('tls.view')) as CertificateView
      output.result(view, () => describeCertificate(view))
    })

  tls
    .command('renew')
    .description('order a certificate now, and use it at once')
    .action(async (_options, command: Command) => {
      const { ask, output } = contextOf(command)
      const view = (await ask('tls.renew')) as CertificateView
      output.result(view, () => describeCertificate(view))
    })
}

function describeCertificate({ names, issuer, selfMade, notAfterMs, acme }: CertificateView): string {
  return [
    `names: ${names.join(', ')}`,
    `from: ${selfMade ? 'this node itself' : issuer}`,
    `valid until ${formatTime(notAfterMs)}`,
    ...(acme === undefined
      ? []
      : [
          `authority: ${acme.authority}, ${acme.state}${acme.nextMs === null ? '' : `, next order ${formatTime(acme.nextMs)}`}`,
          ...(acme.error === null ? [] : [`last failure: ${acme.error}`]),
          ...acme.refused.map(({ name, why }) => `left out: ${name}: ${why}`),
        ]),
  ].join('\n')
}
