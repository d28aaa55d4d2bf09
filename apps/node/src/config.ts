// Reads DIR/skein.toml: what belongs to this machine. Settings of the mesh live in the mesh, not here.
// `config/schema.ts` says what may stand in it, with one file beside it for each group of sections.
import { readFileSync } from 'node:fs'
import { SkeinError } from '@skein/runtime'
import { parse } from 'smol-toml'
import { describeIssue } from './config/issue-text.ts'
import { type Config, configSchema } from './config/schema.ts'

export type { Config } from './config/schema.ts'

/** @throws SkeinError `config-invalid` with one sentence that names the file, the key and what is wrong. */
export function parseConfig(text: string, fileName: string): Config {
  let data: unknown
  try {
    data = parse(text)
  } catch (cause) {
    const firstLine = (cause as Error).message.split('\n')[0]
    throw new SkeinError('config-invalid', 'refused', `${fileName} is not valid TOML: ${firstLine}`, cause)
  }
  const result = configSchema.safeParse(data)
  if (!result.success) {
    throw new SkeinError(
      'config-invalid',
      'refused',
      `${fileName}: ${result.error.issues.map(describeIssue).join('; ')}`,
    )
  }
  return result.data
}

export function readConfig(fileName: string): Config {
  let text: string
  try {
    text = readFileSync(fileName, 'utf8')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') {
      throw new SkeinError(
        'not-initialised',
        'refused',
        `${fileName} does not exist: start with "skein init" or "skein join"`,
        cause,
      )
    }
    throw new SkeinError('config-invalid', 'refused', `${fileName} can't be read: ${(cause as Error).message}`, cause)
  }
  return parseConfig(text, fileName)
}
