// A node's record for this package's tests: enabled, with the usual fields, and what a test says of it.
import type { NodeRecord } from '@skein/accounts'

export function nodeRecord(name: string, fields: Partial<NodeRecord> = {}): NodeRecord {
  return {
    id: name,
    name,
    addresses: [],
    region: '',
    priority: 100,
    enabled: true,
    description: '',
    relay: true,
    allow: [],
    version: '1',
    witness: false,
    hostName: `${name}.test.com`,
    services: {},
    ...fields,
  }
}
