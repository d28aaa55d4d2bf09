// Where the outbound row's letters go: twenty domains, each at a loopback address of its own, all served by the load generator.
import { loopbackAddress } from '../harness/addresses.ts'

export interface OutsideDestination {
  domain: string
  address: string
  port: number
}

const destinationCount = 20
const port = 10_026
let made: Promise<OutsideDestination[]> | undefined

/** The same for every server of this process. */
export function outsideDestinations(): Promise<OutsideDestination[]> {
  made ??= Promise.all(
    Array.from({ length: destinationCount }, async (_, index) => ({
      domain: `d${index}.outside.test`,
      address: await loopbackAddress(),
      port,
    })),
  )
  return made
}
