import { peerStreamsCompliance } from '@skein/runtime/compliance'
import { systemClock } from '@skein/runtime'
import { setTimeout as delay } from 'node:timers/promises'
import { createSeededRandom } from './seeded-random.ts'
import { SimulatedNetwork } from './simulated-network.ts'

peerStreamsCompliance('simulated network', async () => {
  const network = new SimulatedNetwork(systemClock, createSeededRandom(1), { noticeMaxMs: 5 })
  const a = network.join('a')
  const b = network.join('b')
  while (!network.isConnected('a', 'b') || !network.isConnected('b', 'a')) await delay(1)
  return {
    a,
    b,
    cut: () => network.partition([['a'], ['b']]),
    async [Symbol.asyncDispose]() {
      network.crash('a')
      network.crash('b')
      await delay(10)
    },
  }
})
