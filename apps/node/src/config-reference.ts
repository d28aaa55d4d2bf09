// Every key of skein.toml with its type, default and meaning, read from the schema itself.
import { z } from 'zod'
import { configSchema } from './config/schema.ts'

export interface ConfigKey {
  key: string
  type: string
  fallback: string
  text: string
}

function unwrapped(schema: z.ZodType): { inner: z.ZodType; fallback: unknown } {
  let inner = schema
  let fallback: unknown
  while (inner instanceof z.ZodDefault || inner instanceof z.ZodPrefault || inner instanceof z.ZodOptional) {
    if (inner instanceof z.ZodDefault) fallback = inner.def.defaultValue
    inner = inner.unwrap() as z.ZodType
  }
  return { inner, fallback }
}

function typeName(schema: z.ZodType): string {
  if (schema instanceof z.ZodEnum) return schema.options.join(' or ')
  if (schema instanceof z.ZodArray) return 'list of texts'
  if (schema instanceof z.ZodRecord) return 'table of texts'
  if (schema instanceof z.ZodBoolean) return 'true or false'
  if (schema instanceof z.ZodUnion) return 'port or false'
  if (schema instanceof z.ZodNumber && schema.format === null) return 'number'
  return schema instanceof z.ZodString ? 'text' : 'whole number'
}

export function configReference(): ConfigKey[] {
  const keys: ConfigKey[] = []
  const walk = (schema: z.ZodObject, prefix: string) => {
    for (const [name, field] of Object.entries(schema.shape)) {
      const { inner, fallback } = unwrapped(field as z.ZodType)
      const key = prefix + name
      const text = (field as z.ZodType).description ?? ''
      if (inner instanceof z.ZodObject) walk(inner, `${key}.`)
      else
        keys.push({
          key,
          type: typeName(inner),
          fallback: fallback === undefined ? '' : JSON.stringify(fallback),
          text,
        })
    }
  }
  walk(configSchema, '')
  return keys
}
