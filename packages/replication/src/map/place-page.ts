// One page of the materialised map: some addresses and all claims on each, in a flat layout that is found through without decoding.
// Entry: u8 length, address (UTF-8), u8 claims; claim: u16 owner number, u8 rank, u16 length, value bytes.

/** Rank 255: not verified, for nobody else claims the name. */
export const rankUnverified = 255

export interface PlacedClaim {
  /** Number of the owner in this node's own table of owners. */
  owner: number
  rank: number
  value: Uint8Array
}

export type PlacePage = Map<string, PlacedClaim[]>

export const claimValueBytesMax = 0xffff

function claimsAt(page: Buffer, start: number): { claims: PlacedClaim[]; end: number } {
  let at = start
  const claims: PlacedClaim[] = []
  for (let left = page[at++] ?? 0; left > 0; left--) {
    const length = page.readUInt16BE(at + 3)
    claims.push({
      owner: page.readUInt16BE(at),
      rank: page[at + 2] ?? rankUnverified,
      value: page.subarray(at + 5, at + 5 + length),
    })
    at += 5 + length
  }
  return { claims, end: at }
}

function skipClaims(page: Buffer, start: number): number {
  let at = start
  for (let left = page[at++] ?? 0; left > 0; left--) at += 5 + page.readUInt16BE(at + 3)
  return at
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** The claims on one address, without decoding the page's others. */
export function findClaims(bytes: Uint8Array, address: Uint8Array): PlacedClaim[] | undefined {
  const page = asBuffer(bytes)
  const first = address[0]
  for (let at = 0; at < page.length;) {
    const length = page[at] ?? 0
    const end = at + 1 + length
    if (length === address.length && page[at + 1] === first && page.compare(address, 0, length, at + 1, end) === 0) {
      return claimsAt(page, end).claims
    }
    at = skipClaims(page, end)
  }
  return undefined
}

export function decodePage(bytes: Uint8Array): PlacePage {
  const page = asBuffer(bytes)
  const places: PlacePage = new Map()
  for (let at = 0; at < page.length;) {
    const end = at + 1 + (page[at] ?? 0)
    const { claims, end: next } = claimsAt(page, end)
    places.set(page.toString('utf8', at + 1, end), claims)
    at = next
  }
  return places
}

/** The page's addresses alone. */
export function addressesOn(bytes: Uint8Array): Set<string> {
  const page = asBuffer(bytes)
  const addresses = new Set<string>()
  for (let at = 0; at < page.length;) {
    const end = at + 1 + (page[at] ?? 0)
    addresses.add(page.toString('utf8', at + 1, end))
    at = skipClaims(page, end)
  }
  return addresses
}

/** Undefined for a page with nothing on it. */
export function encodePage(places: PlacePage): Uint8Array | undefined {
  let size = 0
  for (const [address, claims] of places) {
    if (claims.length === 0) continue
    size += 2 + Buffer.byteLength(address)
    for (const claim of claims) size += 5 + claim.value.length
  }
  if (size === 0) return undefined
  const page = Buffer.allocUnsafeSlow(size)
  let at = 0
  for (const [address, claims] of places) {
    if (claims.length === 0) continue
    const length = page.write(address, at + 1)
    page[at] = length
    at += 1 + length
    page[at++] = claims.length
    for (const claim of claims) {
      page.writeUInt16BE(claim.owner, at)
      page[at + 2] = claim.rank
      page.writeUInt16BE(claim.value.length, at + 3)
      page.set(claim.value, at + 5)
      at += 5 + claim.value.length
    }
  }
  return page
}

/** A page on which every name has one claim, undisputed and of one owner: what a newcomer writes a million of. */
export function encodePlainPage(
  addresses: readonly string[],
  values: readonly Uint8Array[],
  owner: number,
): Uint8Array {
  let size = 0
  for (const [i, address] of addresses.entries()) size += 7 + Buffer.byteLength(address) + (values[i]?.length ?? 0)
  const page = Buffer.allocUnsafeSlow(size)
  let at = 0
  for (const [i, address] of addresses.entries()) {
    const value = values[i] as Uint8Array
    const length = page.write(address, at + 1)
    page[at] = length
    at += 1 + length
    page[at] = 1
    page.writeUInt16BE(owner, at + 1)
    page[at + 3] = rankUnverified
    page.writeUInt16BE(value.length, at + 4)
    page.set(value, at + 6)
    at += 6 + value.length
  }
  return page
}
