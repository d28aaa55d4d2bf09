// dkim.list, dkim.rotate: the keys with which this node signs letters.
import { z } from 'zod'
import { type Operation, operation } from './operation.ts'

const nothing = z.strictObject({})

export const dkimOperations: Operation[] = [
  operation({
    name: 'dkim.list',
    params: nothing,
    fromPeers: false,
    async run({ dkim }) {
      return dkim.list()
    },
  }),
  operation({
    name: 'dkim.rotate',
    params: nothing,
    fromPeers: false,
    async run({ dkim }) {
      await dkim.rotate()
      return dkim.list()
    },
  }),
]
