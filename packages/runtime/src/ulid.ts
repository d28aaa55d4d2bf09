// ULIDs: 26 characters that sort by time of making; given to a letter where it enters the mesh.
import type { Clock } from './clock.ts'
import type { Random } from './random.ts'

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

/** Makes strictly increasing ULIDs: 48-bit milliseconds, then 80 random bits. */
export function createUlidFactory(clock: Clock, random: Random): () => string {
  let lastMs = -1
  let tail = new Uint8Array(16)
  return () => {
    const now = clock.nowMs()
    if (now > lastMs) {
      lastMs = now
      tail = Uint8Array.from(random.bytes(16), (byte) => byte & 31)
    } else {
      for (let i = 15; i >= 0; i--) {
        const digit = tail[i] as number
        if (digit < 31) {
          tail[i] = digit + 1
          break
        }
        tail[i] = 0
      }
    }
    let time = ''
    for (let rest = lastMs, i = 0; i < 10; i++) {
      time = ALPHABET.charAt(rest % 32) + time
      rest = Math.floor(rest / 32)
    }
    let text = time
    for (const digit of tail) text += ALPHABET.charAt(digit)
    return text
  }
}

/** The milliseconds held in a ULID's first ten characters. */
export function ulidTimeMs(ulid: string): number {
  let ms = 0
  for (let i = 0; i < 10; i++) ms = ms * 32 + ALPHABET.indexOf(ulid.charAt(i))
  return ms
}
