// Chance comes in through the door, so that a simulation can replay from one seed.
import { randomBytes } from 'node:crypto'

export interface Random {
  bytes(length: number): Uint8Array
  /** A float in [0, 1). */
  next(): number
}

export const systemRandom: Random = {
  bytes: (length) => new Uint8Array(randomBytes(length)),
  next: () => Math.random(),
}
