// The kinds of values that several sections have: each says in words what is wrong with a bad one.
import { parseServer } from '@skein/dns'
import { parseDnsList } from '@skein/filtering'
import { isAddressOrBlock } from '@skein/runtime'
import { z } from 'zod'

export const port = z.union(
  [z.int().min(0).max(65_535), z.literal(false)],
  'a port is a number from 0 to 65535, or false',
)
export const addressOrBlock = z.string().refine(isAddressOrBlock, 'neither an IP address nor a CIDR block')
export const nameServer = z.string().refine((text) => {
  try {
    parseServer(text)
    return true
  } catch {
    return false
  }
}, 'not the IP address of a name server, with or without a port')
export const dnsList = z.string().superRefine((text, context) => {
  try {
    parseDnsList(text)
  } catch (error) {
    context.addIssue({ code: 'custom', message: (error as Error).message })
  }
})
export const count = (max: number) => z.int().min(1).max(max)
export const amount = z.int().min(0).max(1_000_000_000)
