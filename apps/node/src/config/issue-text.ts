// What a person reads of a mistake in DIR/skein.toml.
import { z } from 'zod'
import { configSchema } from './schema.ts'

/** The key among `known` that a person most likely meant, or undefined when none is near. */
function nearest(word: string, known: readonly string[]): string | undefined {
  let best: { key: string; distance: number } | undefined
  for (const key of known) {
    const distance = editDistance(word, key)
    if (!best || distance < best.distance) best = { key, distance }
  }
  return best && best.distance <= Math.max(2, Math.floor(word.length / 2)) ? best.key : undefined
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(change, (row[j] as number) + 1, (next[j - 1] as number) + 1))
    }
    row = next
  }
  return row[b.length] as number
}

function keysAt(path: readonly PropertyKey[]): string[] {
  let schema: z.ZodType = configSchema
  for (const part of path) {
    while (schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault || schema instanceof z.ZodOptional) {
      schema = schema.unwrap() as z.ZodType
    }
    if (!(schema instanceof z.ZodObject)) return []
    schema = schema.shape[String(part)] as z.ZodType
  }
  while (schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault) schema = schema.unwrap() as z.ZodType
  return schema instanceof z.ZodObject ? Object.keys(schema.shape) : []
}

/** One sentence: which key, what is wrong with it, and what was probably meant. */
export function describeIssue(issue: z.core.$ZodIssue): string {
  const where = issue.path.join('.')
  if (issue.code === 'unrecognized_keys') {
    const known = keysAt(issue.path)
    return issue.keys
      .map((key) => {
        const guess = nearest(key, known)
        const full = where ? `${where}.${key}` : key
        return `unknown key "${full}"${guess ? `; did you mean "${where ? `${where}.` : ''}${guess}"?` : ''}`
      })
      .join('; ')
  }
  return `${where || 'the file'}: ${issue.message}`
}
