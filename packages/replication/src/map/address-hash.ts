// Where an address lies: one of 64 shards (part of the protocol: it names the document) and one of 256 pages within it (this node's own
// business). FNV-1a over the UTF-8 bytes with a finishing mix: every node must compute the same, a million times a second.

export const shardCount = 64
export const pagesPerShard = 256

const utf8 = new TextEncoder()

export function addressHash(address: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < address.length; i++) {
    const code = address.charCodeAt(i)
    if (code > 0x7f) return hashBytes(utf8.encode(address))
    hash = Math.imul(hash ^ code, 0x01000193)
  }
  return mix(hash)
}

function hashBytes(bytes: Uint8Array): number {
  let hash = 0x811c9dc5
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193)
  return mix(hash)
}

/** The finishing step of MurmurHash3: spreads FNV's weak low bits. */
function mix(hash: number): number {
  hash ^= hash >>> 16
  hash = Math.imul(hash, 0x85ebca6b)
  hash ^= hash >>> 13
  hash = Math.imul(hash, 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

export function shardOf(address: string): number {
  return addressHash(address) & (shardCount - 1)
}

export function pageOf(address: string): number {
  return (addressHash(address) >>> 6) & (pagesPerShard - 1)
}

/** `users/00` to `users/3f`. */
export function usersDocument(shard: number): string {
  return `users/${shard.toString(16).padStart(2, '0')}`
}

/** Undefined when the document is not one of the users' shards. */
export function shardOfDocument(document: string): number | undefined {
  const match = /^users\/([0-3][0-9a-f])$/.exec(document)
  return match ? Number.parseInt(match[1] ?? '', 16) : undefined
}
