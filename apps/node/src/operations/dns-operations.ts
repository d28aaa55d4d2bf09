// dns.plan: the records that this mesh should publish.
import { planDns } from '@skein/admin'
import { z } from 'zod'
import { type Operation, operation } from './operation.ts'

export const dnsOperations: Operation[] = [
  operation({
    name: 'dns.plan',
    params: z.strictObject({
      exchangers: z.enum(['priority', 'equal']).default('priority'),
      region: z.string().max(100).optional(),
    }),
    fromPeers: false,
    async run({ ledger: { directory } }, { exchangers, region }) {
      return planDns(
        { domains: directory.domains(), nodes: directory.nodes() },
        { exchangers, ...(region !== undefined && { region }) },
      )
    },
  }),
]
