// An outside courier with everything in memory but the connection itself.
import type { Consignment, DeliveryResult, QueueItem } from '@skein/delivery'
import type { TlsSessionResult } from '@skein/reports'
import { type DnsResolver, silentLogger, systemClock, systemRandom } from '@skein/runtime'
import { createMemoryDns, createMemoryStsPolicyStore } from '@skein/testkit'
import { type OutsideCourierSettings, createOutsideCourier } from '../src/outside-courier.ts'
import { createMemoryLog } from './memory-log.ts'

/** Sends to the domain there.example. `noted`: what the journal was told. */
export function createBench(settings: Partial<OutsideCourierSettings> = {}, resolver: DnsResolver = createMemoryDns()) {
  const log = createMemoryLog()
  const noted: TlsSessionResult[] = []
  const journal = { note: (result: TlsSessionResult) => void noted.push(result) }
  const courier = createOutsideCourier(
    {
      log,
      clock: systemClock,
      random: systemRandom,
      logger: silentLogger,
      resolver,
      stsPolicies: createMemoryStsPolicyStore(),
      journal,
    },
    { hostName: 'us.example', ...settings },
  )
  let count = 0
  function letter(bytes: string, to: string[], changes: Partial<QueueItem> = {}): Consignment {
    const blob = log.put(bytes)
    const recipients = to.map((address, index) => ({
      index,
      address,
      original: address,
      state: 'pending' as const,
      attempts: 0,
      nextAttemptMs: 0,
      lastResult: null,
      delayNoticeSent: false,
    }))
    const item: QueueItem = {
      id: `Q${++count}`,
      from: 'aaa@us.example',
      recipients,
      blob,
      size: blob.length,
      messageId: '',
      receivedMs: 0,
      source: { kind: 'local', remoteAddress: '', node: 'n', accountId: null },
      smtpUtf8: false,
      eightBit: false,
      ...changes,
    }
    return { item, recipients }
  }
  const send = (consignment: Consignment, signal = new AbortController().signal): Promise<DeliveryResult[]> =>
    courier.deliver(consignment, { kind: 'outside', domain: 'there.example' }, signal)
  return { log, courier, letter, send, noted }
}

export const routeTo = (port: number, host = '127.0.0.1') => ({ routes: { 'there.example': `${host}:${port}` } })
