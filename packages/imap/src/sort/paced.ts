// Long work in slices: a generator that yields every so often, and whoever drives it lets others have their turn.
import type { Output } from '../output.ts'

/** Work that may be left at each `yield`. */
export type Paced<Result> = Generator<void, Result>

/** @throws ConnectionGone where the client has gone meanwhile. */
export async function inTurns<Result>(out: Output, work: Paced<Result>): Promise<Result> {
  for (;;) {
    const step = work.next()
    if (step.done === true) return step.value
    const pause = out.breathe()
    if (pause) await pause
  }
}

/** Without leaving: for little work, and for tests. */
export function atOnce<Result>(work: Paced<Result>): Result {
  for (;;) {
    const step = work.next()
    if (step.done === true) return step.value
  }
}

const RUN = 1024

/** Sorts places by `compare`, which must never find two of them equal. The array given may be used up. */
export function* pacedSort(places: Uint32Array, compare: (a: number, b: number) => number): Paced<Uint32Array> {
  for (let start = 0; start < places.length; start += RUN) {
    places.subarray(start, start + RUN).sort(compare)
    yield
  }
  let from: Uint32Array = places
  let to: Uint32Array = new Uint32Array(places.length <= RUN ? 0 : places.length)
  for (let width = RUN; width < places.length; width *= 2) {
    for (let start = 0; start < places.length; start += 2 * width) {
      const middle = Math.min(start + width, places.length)
      const end = Math.min(middle + width, places.length)
      let left = start
      let right = middle
      for (let at = start; at < end; at++) {
        const takesLeft = left < middle && (right >= end || compare(from[left] as number, from[right] as number) <= 0)
        to[at] = from[takesLeft ? left++ : right++] as number
        if ((at & (RUN - 1)) === 0) yield
      }
    }
    const sorted = to
    to = from
    from = sorted
  }
  return from
}
