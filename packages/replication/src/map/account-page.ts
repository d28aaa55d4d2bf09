// The way back from an account to its address: for each shard 256 pages by the account id's first byte, each a row of
// 20 bytes: account id (16), hash of its address (4).

const rowBytes = 20

export interface AccountRow {
  accountId: Uint8Array
  addressHash: number
}

/** Hashes of the addresses under which that account is named: one, unless a node names an account that is not its own. */
export function findAccount(page: Uint8Array, accountId: Uint8Array): number[] {
  const bytes = asBuffer(page)
  const found: number[] = []
  for (let at = 0; at + rowBytes <= bytes.length; at += rowBytes) {
    if (bytes.compare(accountId, 0, 16, at, at + 16) === 0) found.push(bytes.readUInt32BE(at + 16))
  }
  return found
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function encodeRow({ accountId, addressHash }: AccountRow): Buffer {
  const row = Buffer.allocUnsafe(rowBytes)
  row.set(accountId)
  row.writeUInt32BE(addressHash, 16)
  return row
}

function appendRows(page: Buffer, added: readonly AccountRow[]): Uint8Array | undefined {
  const size = page.length + added.length * rowBytes
  if (size === 0) return undefined
  const whole = Buffer.allocUnsafeSlow(size)
  page.copy(whole)
  let at = page.length
  for (const { accountId, addressHash } of added) {
    whole.set(accountId, at)
    whole.writeUInt32BE(addressHash, at + 16)
    at += rowBytes
  }
  return whole
}

/** The page without `removed` and with `added`; undefined when nothing is left. */
export function editAccountPage(
  page: Uint8Array | undefined,
  removed: readonly AccountRow[],
  added: readonly AccountRow[],
): Uint8Array | undefined {
  const bytes = page ? asBuffer(page) : Buffer.alloc(0)
  if (removed.length === 0) return appendRows(bytes, added)
  const rows = new Map<string, Buffer>()
  for (let at = 0; at + rowBytes <= bytes.length; at += rowBytes) {
    const row = bytes.subarray(at, at + rowBytes)
    rows.set(row.toString('latin1'), row)
  }
  for (const gone of removed) rows.delete(encodeRow(gone).toString('latin1'))
  for (const row of added.map(encodeRow)) rows.set(row.toString('latin1'), row)
  return rows.size > 0 ? Buffer.concat([...rows.values()]) : undefined
}
