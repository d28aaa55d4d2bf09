// dns.plan: the records that this mesh should publish.
import { planDns } from '@skein/admin'
import { z } from 'zod'
import { type Operation, operation } from './operation.ts'

export const dnsOperations: Operation[] = [
  operation({
    name: 'dns.plan',
    params: z.strictObject({}),
    fromPeers: false,
    async run({ ledger: { directory } }) {
      return planDns({ domains: directory.domains().map(({ name }) => name), nodes: directory.nodes() })
    },
  }),
]
