// Runs people's jobs, each with an account of its own, at the account's home and then at another node of the mesh.
import { eventually } from '../harness/poll.ts'
import type { SkeinNode } from '../harness/skein.ts'
import { startMesh } from '../harness/skein.ts'
import type { Stage } from '../harness/stage.ts'
import { skipWithout } from '../system-packages.ts'
import type { Job } from './seat.ts'

export const jobPassword = 'wild-geese-42'

/** Where the program is pointed: at the account's home, or at a node that has to ask the home. */
export type Where = 'home' | 'elsewhere'

export async function runJobs(stage: Stage, jobs: readonly Job[], places: readonly Where[]): Promise<void> {
  let home: SkeinNode | undefined
  let other: SkeinNode | undefined
  await stage.step('a mesh of two nodes', async () => {
    const nodes = await startMesh(['bj', 'hk'])
    stage.add(...nodes)
    ;[home, other] = nodes
  })
  let users = 0
  for (const where of places) {
    for (const job of jobs) {
      const name = where === 'home' ? job.name : `at another node: ${job.name}`
      const body = async () => {
        if (!home || !other) throw new Error('there are no nodes')
        users += 1
        const user = `user${users}@test.com`
        await home.addUser(user, jobPassword)
        const node = where === 'home' ? home : other
        await eventually(async () => (await node.users()).some(({ address }) => address === user), {
          what: `${user} on ${node.name}`,
        })
        await job.run({ node, home, user, password: jobPassword })
      }
      await stage.independent(name, body, skipWithout(...job.programs))
    }
  }
}
