// Chance from one number (sfc32): the same seed gives the same sequence on every machine. Never for secrets.
import type { Random } from '@skein/runtime'

export interface SeededRandom extends Random {
  /** A whole number in [0, below). */
  integer(below: number): number
  /** A whole number in [from, to]. */
  between(from: number, to: number): number
  /** True with this probability. */
  chance(probability: number): boolean
  /** One of `items`, which must not be empty. */
  pick<Item>(items: readonly Item[]): Item
  /** A new array in random order. */
  shuffle<Item>(items: readonly Item[]): Item[]
  /** An independent sequence: drawing from it does not change what this one gives. */
  fork(label: string): SeededRandom
}

/** FNV-1a over UTF-16 units: spreads seeds and labels over 32 bits. */
function hash(text: string): number {
  let value = 0x811c9dc5
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193)
  return value >>> 0
}

export function createSeededRandom(seed: number | string): SeededRandom {
  const name = String(seed)
  let a = hash(`${name}a`)
  let b = hash(`${name}b`)
  let c = hash(`${name}c`)
  let counter = 1
  const word = (): number => {
    const sum = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (((c << 21) | (c >>> 11)) + sum) | 0
    return sum >>> 0
  }
  for (let i = 0; i < 15; i++) word()

  const random: SeededRandom = {
    next: () => word() / 2 ** 32,
    bytes(length) {
      const bytes = new Uint8Array(length)
      for (let i = 0; i < length; i++) bytes[i] = word() >>> 24
      return bytes
    },
    integer: (below) => Math.floor((word() / 2 ** 32) * below),
    between: (from, to) => from + random.integer(to - from + 1),
    chance: (probability) => word() / 2 ** 32 < probability,
    pick(items) {
      if (items.length === 0) throw new Error('nothing to pick from')
      return items[random.integer(items.length)] as (typeof items)[number]
    },
    shuffle(items) {
      const result = [...items]
      for (let i = result.length - 1; i > 0; i--) {
        const other = random.integer(i + 1)
        const held = result[i] as (typeof items)[number]
        result[i] = result[other] as (typeof items)[number]
        result[other] = held
      }
      return result
    },
    fork: (label) => createSeededRandom(`${name}/${label}`),
  }
  return random
}
