// Bytes and numbers that grow as they are written.

export class GrowingBytes {
  #bytes: Buffer
  length = 0

  constructor(room = 1024) {
    this.#bytes = Buffer.allocUnsafe(room)
  }

  #make(room: number): void {
    if (this.length + room <= this.#bytes.length) return
    const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.length + room))
    this.#bytes.copy(larger, 0, 0, this.length)
    this.#bytes = larger
  }

  byte(value: number): void {
    this.#make(1)
    this.#bytes[this.length++] = value
  }

  /** Seven bits a byte, the least first. */
  number(value: number): void {
    this.#make(5)
    let rest = value
    while (rest > 127) {
      this.#bytes[this.length++] = (rest & 127) | 128
      rest >>>= 7
    }
    this.#bytes[this.length++] = rest
  }

  bytes(value: Uint8Array): void {
    this.#make(value.length)
    this.#bytes.set(value, this.length)
    this.length += value.length
  }

  latin1(value: string): void {
    this.#make(value.length)
    this.length += this.#bytes.write(value, this.length, 'latin1')
  }

  /** A view, good until the next write. */
  view(): Buffer {
    return this.#bytes.subarray(0, this.length)
  }

  clear(): void {
    this.length = 0
  }
}

export class GrowingNumbers {
  #numbers = new Uint32Array(256)
  length = 0

  push(value: number): void {
    if (this.length === this.#numbers.length) {
      const larger = new Uint32Array(this.length * 2)
      larger.set(this.#numbers)
      this.#numbers = larger
    }
    this.#numbers[this.length++] = value
  }

  /** A view, good until the next push. */
  view(): Uint32Array {
    return this.#numbers.subarray(0, this.length)
  }
}
