// What commands print: tables and sentences for people, one JSON document with --json; nothing else on stdout.
import { styleText } from 'node:util'

export interface Output {
  readonly json: boolean
  /** With --json, the document; otherwise what `human` makes of it. */
  result(value: unknown, human: () => string): void
  /** Progress for people, on stderr. */
  note(text: string): void
}

export function createOutput(json: boolean): Output {
  return {
    json,
    result(value, human) {
      const text = json ? JSON.stringify(value) : human()
      if (text !== '') process.stdout.write(`${text}\n`)
    },
    note(text) {
      if (!json) process.stderr.write(`${text}\n`)
    },
  }
}

/** Left-aligned columns; Chinese characters count two. */
export function table(header: string[], rows: string[][]): string {
  const widths = header.map((title, column) =>
    Math.max(displayWidth(title), ...rows.map((row) => displayWidth(row[column] ?? ''))),
  )
  const line = (cells: string[]) =>
    cells
      .map((cell, column) => cell + ' '.repeat((widths[column] as number) - displayWidth(cell)))
      .join('  ')
      .trimEnd()
  const head = line(header)
  return [process.stdout.isTTY ? styleText('bold', head) : head, ...rows.map(line)].join('\n')
}

export function displayWidth(text: string): number {
  let width = 0
  for (const character of text) {
    const code = character.codePointAt(0) as number
    const wide =
      (code >= 0x1100 && code <= 0x115f) ||
      (code >= 0x2e80 && code <= 0xa4cf) ||
      (code >= 0xac00 && code <= 0xd7a3) ||
      (code >= 0xf900 && code <= 0xfaff) ||
      (code >= 0xfe30 && code <= 0xfe6f) ||
      (code >= 0xff00 && code <= 0xff60) ||
      code >= 0x20000
    width += wide ? 2 : 1
  }
  return width
}

export function formatTime(ms: number): string {
  return new Date(ms)
    .toISOString()
    .replace('T', ' ')
    .replace(/\.\d+Z$/, 'Z')
}
