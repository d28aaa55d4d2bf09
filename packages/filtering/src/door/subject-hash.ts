// How people are named in what nodes tell each other: by a hash that can be compared and not read.
import { createHmac } from 'node:crypto'

/**
 * 128 bits of an HMAC. The key is the mesh's id: members know whom they serve anyhow, so it keeps nothing from them; it keeps
 * tables of different meshes from being joined, and addresses from lying about where nobody needs them.
 */
export type SubjectHash = (...parts: string[]) => string

export function createSubjectHash(meshId: string): SubjectHash {
  return (...parts) =>
    createHmac('sha256', `skein judgement ${meshId}`)
      .update(parts.map((part) => `${part.length}:${part}`).join(''))
      .digest('base64url')
      .slice(0, 22)
}
