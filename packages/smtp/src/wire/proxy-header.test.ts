import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { readProxyHeader, type ProxyHeader } from './proxy-header.ts'

const v2 = (command: number, family: number, block: Buffer) => {
  const head = Buffer.from([0x0d, 0x0a, 0x0d, 0x0a, 0, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a, command, family, 0, 0])
  head.writeUInt16BE(block.length, 14)
  return Buffer.concat([head, block])
}
const block4 = Buffer.from([192, 0, 2, 1, 198, 51, 100, 2, 0x12, 0x34, 0, 25])
const client4 = { address: '192.0.2.1', port: 0x1234, destinationAddress: '198.51.100.2', destinationPort: 25 }

for (const [name, bytes, client] of [
  ['v1 TCP4', 'PROXY TCP4 192.0.2.1 198.51.100.2 4660 25\r\n', client4],
  [
    'v1 TCP6',
    'PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n',
    { address: '2001:db8::1', port: 1, destinationAddress: '2001:db8::2', destinationPort: 65_535 },
  ],
  ['v1 UNKNOWN', 'PROXY UNKNOWN\r\n', null],
  ['v1 UNKNOWN with more', 'PROXY UNKNOWN ffff:f ffff:f 65535 65535\r\n', null],
  ['v2 TCP4', v2(0x21, 0x11, block4), client4],
  ['v2 TCP4 with TLVs', v2(0x21, 0x11, Buffer.concat([block4, Buffer.from([4, 0, 1, 9])])), client4],
  ['v2 LOCAL', v2(0x20, 0, Buffer.alloc(0)), null],
  ['v2 unspecified', v2(0x21, 0, Buffer.alloc(3)), null],
  [
    'v2 TCP6',
    v2(
      0x21,
      0x21,
      Buffer.concat([Buffer.alloc(15), Buffer.from([1]), Buffer.alloc(15, 255), Buffer.from([254, 0, 7, 0, 8])]),
    ),
    {
      address: '0:0:0:0:0:0:0:1',
      port: 7,
      destinationAddress: 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe',
      destinationPort: 8,
    },
  ],
] as const) {
  test(`${name}: read in any pieces, and nothing of what follows`, () => {
    const header = Buffer.from(bytes as string, 'latin1')
    const all = Buffer.concat([header, Buffer.from('EHLO x\r\n')])
    for (let length = 0; length <= all.length; length++) {
      const expected: ProxyHeader | 'more' = length < header.length ? 'more' : { length: header.length, client }
      assert.deepEqual(readProxyHeader(all.subarray(0, length), 4096), expected)
    }
  })
}

for (const [name, bytes] of [
  ['no header', 'EHLO x\r\n'],
  ['lower case', 'proxy TCP4 1.1.1.1 2.2.2.2 1 2\r\n'],
  ['family and address differ', 'PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n'],
  ['a port with a zero before it', 'PROXY TCP4 1.1.1.1 2.2.2.2 01 2\r\n'],
  ['a port beyond 65535', 'PROXY TCP4 1.1.1.1 2.2.2.2 65536 2\r\n'],
  ['a bare LF', 'PROXY TCP4 1.1.1.1 2.2.2.2 1 2\nEHLO'],
  ['a line without end', `PROXY UNKNOWN ${'x'.repeat(100)}`],
  ['v2 of a version to come', v2(0x31, 0x11, block4)],
  ['v2 with a command that is none', v2(0x22, 0x11, block4)],
  ['v2 over UDP', v2(0x21, 0x12, block4)],
  ['v2 with too few addresses', v2(0x21, 0x11, block4.subarray(1))],
  ['v2 longer than is taken', v2(0x21, 0x11, Buffer.alloc(5000))],
] as const) {
  test(`refused: ${name}`, () => {
    assert.equal(readProxyHeader(Buffer.from(bytes as string, 'latin1'), 4096), 'malformed')
  })
}

test('random bytes never throw, and what is malformed stays so with more of them', () => {
  const any = fc.oneof(
    fc.uint8Array({ maxLength: 80 }),
    fc.uint8Array({ maxLength: 60 }).map((it) => v2(0x21, 0x11, Buffer.from(it))),
  )
  fc.assert(
    fc.property(any, fc.uint8Array({ maxLength: 20 }), (bytes, more) => {
      const first = readProxyHeader(Buffer.from(bytes), 4096)
      const then = readProxyHeader(Buffer.concat([bytes, more]), 4096)
      if (first !== 'more') assert.deepEqual(then, first)
    }),
    { numRuns: 2000 },
  )
})
