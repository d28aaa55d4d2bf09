// tls.view, tls.renew: the certificate of this node.
import { z } from 'zod'
import { type Operation, operation } from './operation.ts'

export const tlsOperations: Operation[] = [
  operation({
    name: 'tls.view',
    params: z.strictObject({}),
    fromPeers: true,
    run: async ({ certificates }) => certificates.view(),
  }),
  operation({
    name: 'tls.renew',
    params: z.strictObject({}),
    fromPeers: false,
    async run({ certificates }) {
      await certificates.renew()
      return certificates.view()
    },
  }),
]
