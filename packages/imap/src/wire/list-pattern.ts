// LIST's wild cards (RFC 9051 §6.3.9): `*` stands for anything, `%` for anything without a separator.

const SEPARATOR = '/'

/** Time is bounded by pattern length times name length, whatever the pattern. */
export function matchesPattern(pattern: string, name: string): boolean {
  // INBOX is case-insensitive (RFC 9051 §5.1).
  if (name === 'INBOX') return matches(pattern.toUpperCase(), name)
  return matches(/^inbox\//i.test(pattern) ? `INBOX${pattern.slice(5)}` : pattern, name)
}

function matches(pattern: string, name: string): boolean {
  // Pattern places that can be reached with the part of the name read so far.
  let reached = closure(pattern, [0])
  for (const char of name) {
    const next = new Set<number>()
    for (const place of reached) {
      const wanted = pattern.codePointAt(place)
      if (wanted === undefined) continue
      const symbol = String.fromCodePoint(wanted)
      if (symbol === '*' || (symbol === '%' && char !== SEPARATOR)) next.add(place)
      else if (symbol === char) next.add(place + symbol.length)
    }
    if (next.size === 0) return false
    reached = closure(pattern, next)
  }
  return reached.has(pattern.length)
}

/** A wild card may stand for nothing. */
function closure(pattern: string, places: Iterable<number>): Set<number> {
  const reached = new Set<number>()
  for (const start of places) {
    let place = start
    while (!reached.has(place)) {
      reached.add(place)
      const symbol = pattern[place]
      if (symbol === '*' || symbol === '%') place++
    }
  }
  return reached
}
