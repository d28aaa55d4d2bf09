// dkimpy from Debian, run by Debian’s Python, as another opinion on ARC chains: one letter a call, keys from a table.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { mustRun, temporaryDirectory } from './processes.ts'

const program = `
import dkim, json, sys
letter, table = sys.argv[1:]
keys = json.load(open(table))
def dns(name, timeout=5):
    record = keys.get(name.decode().rstrip('.').lower() if isinstance(name, bytes) else name.rstrip('.').lower())
    return record.encode() if record else None
cv, results, reason = dkim.arc_verify(open(letter, 'rb').read(), dnsfunc=dns)
print(json.dumps({'cv': cv.decode() if cv else None, 'reason': reason}))
`

/** `pass`, `fail` or `none`. @param keys `<selector>._domainkey.<domain>` to its record */
export async function arcVerdict(letter: Uint8Array, keys: Record<string, string>): Promise<string> {
  const directory = temporaryDirectory('dkimpy')
  writeFileSync(join(directory, 'letter.eml'), letter)
  writeFileSync(join(directory, 'keys.json'), JSON.stringify(keys))
  const { stdout } = await mustRun('/usr/bin/python3', [
    '-c',
    program,
    join(directory, 'letter.eml'),
    join(directory, 'keys.json'),
  ])
  const { cv } = JSON.parse(stdout) as { cv: string | null }
  return cv ?? 'none'
}
