// The structure of a message read the slow way: all lines first, then from the outermost multipart inwards.
// For comparison with the one-pass index; knows plain header forms only. Null where two open multiparts share a boundary.

interface Line {
  start: number
  /** Without its line end. */
  text: string
  /** Offset of the line end. */
  end: number
  next: number
}

export interface Structure {
  type: string
  header: [number, number]
  body: [number, number]
  children: Structure[]
}

class SharedBoundary extends Error {}

export function readStructure(bytes: Buffer): Structure | null {
  try {
    return entity(linesOf(bytes), 0, bytes.length, 'text/plain', [])
  } catch (error) {
    if (error instanceof SharedBoundary) return null
    throw error
  }
}

function linesOf(bytes: Buffer): Line[] {
  const text = bytes.toString('latin1')
  const lines: Line[] = []
  let start = 0
  while (start < text.length) {
    const newline = text.indexOf('\n', start)
    const next = newline < 0 ? text.length : newline + 1
    let end = newline < 0 ? text.length : newline
    if (newline > start && text[newline - 1] === '\r') end -= 1
    lines.push({ start, text: text.slice(start, end), end, next })
    start = next
  }
  return lines
}

/** `stop` is where the delimiter's line starts that ends the entity; its body ends before that line's line break. */
function entity(
  lines: Line[],
  start: number,
  stop: number,
  byDefault: string,
  open: readonly string[],
  bodyStop = stop,
): Structure {
  const inside = lines.filter((line) => line.start >= start && line.start < stop)
  const blank = inside.find((line) => line.text === '')
  const headerLines = inside.filter((line) => blank === undefined || line.start < blank.start)
  const headerEnd = blank === undefined ? stop : Math.min(blank.next, stop)
  const content = headerLines
    .map((line) => /^Content-Type: ([^;]+)(?:; boundary=(.*))?$/.exec(line.text.trimEnd()))
    .find((match) => match !== null)
  const type = content?.[1] ?? byDefault
  const boundary = content?.[2]?.trimEnd() ?? ''
  const limit = Math.max(headerEnd, bodyStop)
  const part: Structure = { type, header: [start, headerEnd], body: [headerEnd, limit], children: [] }
  if (type === 'message/rfc822') {
    part.children.push(
      headerEnd === stop && blank === undefined
        ? emptyText(headerEnd, headerEnd)
        : entity(lines, headerEnd, stop, 'text/plain', open, limit),
    )
  } else if (type.startsWith('multipart/')) {
    if (open.includes(boundary)) throw new SharedBoundary()
    if (boundary !== '') part.children = children(lines, part, stop, boundary, type, open)
    if (part.children.length === 0) part.children.push(emptyText(headerEnd, limit))
  }
  return clamp(part, limit)
}

function children(
  lines: Line[],
  part: Structure,
  stop: number,
  boundary: string,
  type: string,
  open: readonly string[],
): Structure[] {
  const found: Structure[] = []
  const body = lines.filter((line) => line.start >= part.body[0] && line.start < stop)
  const delimiters = body.filter((line) =>
    [`--${boundary}`, `--${boundary}--`].includes(line.text.replace(/[ \t\r]+$/, '')),
  )
  for (const [index, delimiter] of delimiters.entries()) {
    if (delimiter.text.replace(/[ \t\r]+$/, '') !== `--${boundary}`) break
    const next = delimiters[index + 1]
    const childStop = next?.start ?? stop
    const before =
      next === undefined ? part.body[1] : (lines.find((line) => line.next === next.start)?.end ?? childStop)
    const byDefault = type === 'multipart/digest' ? 'message/rfc822' : 'text/plain'
    found.push(entity(lines, delimiter.next, childStop, byDefault, [...open, boundary], before))
  }
  return found
}

function emptyText(start: number, end: number): Structure {
  return { type: 'text/plain', header: [start, start], body: [start, end], children: [] }
}

function clamp(part: Structure, limit: number): Structure {
  return {
    ...part,
    header: [Math.min(part.header[0], limit), Math.min(part.header[1], limit)],
    body: [Math.min(part.body[0], limit), Math.min(part.body[1], limit)],
    children: part.children.map((child) => clamp(child, Math.min(part.body[1], limit))),
  }
}
