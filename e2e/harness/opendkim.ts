// OpenDKIM from Debian as another opinion: signs letters and checks signatures, one letter a call, no daemon and no DNS.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { mustRun, runCommand, temporaryDirectory } from './processes.ts'

/** What e2e tests that use this ask `skipWithout` for. */
export const openDkimPrograms = ['opendkim', 'openssl'] as const

const common = ['Syslog no', 'RequireSafeKeys no']

export interface ForeignKey {
  selector: string
  algorithm: 'rsa-sha256' | 'ed25519-sha256'
  file: string
  /** What to publish at `<selector>._domainkey.<domain>`. */
  record: string
}

export async function makeForeignKey(selector: string, algorithm: ForeignKey['algorithm']): Promise<ForeignKey> {
  const file = join(temporaryDirectory('opendkim'), `${selector}.pem`)
  const kind = algorithm === 'rsa-sha256' ? ['RSA', '-pkeyopt', 'rsa_keygen_bits:2048'] : ['ed25519']
  await mustRun('openssl', ['genpkey', '-algorithm', ...kind, '-out', file])
  const { stdout } = await mustRun('openssl', ['pkey', '-in', file, '-pubout'])
  const der = Buffer.from(stdout.replace(/-----[^-]+-----|\s/g, ''), 'base64')
  const record =
    algorithm === 'rsa-sha256'
      ? `v=DKIM1; k=rsa; p=${der.toString('base64')}`
      : `v=DKIM1; k=ed25519; p=${der.subarray(-32).toString('base64')}`
  return { selector, algorithm, file, record }
}

/** The letter with OpenDKIM's signature on top. */
export async function openDkimSigned(letter: string, domain: string, key: ForeignKey): Promise<string> {
  const directory = temporaryDirectory('opendkim')
  writeFileSync(join(directory, 'letter.eml'), letter)
  const config = [
    ...common,
    'Mode s',
    'InternalHosts 0.0.0.0/0',
    `Domain ${domain}`,
    `Selector ${key.selector}`,
    `KeyFile ${key.file}`,
    `SignatureAlgorithm ${key.algorithm}`,
    'Canonicalization relaxed/simple',
    'OversignHeaders From',
  ]
  writeFileSync(join(directory, 'opendkim.conf'), `${config.join('\n')}\n`)
  const { stdout, stderr } = await run(directory, 'letter.eml')
  const value = /hname='DKIM-Signature' hvalue='([^']+)'/.exec(stdout)?.[1]
  if (value === undefined) throw new Error(`opendkim did not sign: ${stdout}${stderr}`)
  return `DKIM-Signature: ${value.replace(/\r?\n/g, '\r\n')}\r\n${letter}`
}

/** Each signature's verdict, as `<algorithm> <selector> <result>`. @param keys `<selector>._domainkey.<domain>` to its record */
export async function openDkimVerdicts(letter: Uint8Array, keys: Record<string, string>): Promise<string[]> {
  const directory = temporaryDirectory('opendkim')
  writeFileSync(join(directory, 'letter.eml'), letter)
  writeFileSync(
    join(directory, 'keys'),
    Object.entries(keys)
      .map(([name, record]) => `${name} ${record}\n`)
      .join(''),
  )
  const config = [...common, 'Mode v', `TestPublicKeys ${join(directory, 'keys')}`]
  writeFileSync(join(directory, 'opendkim.conf'), `${config.join('\n')}\n`)
  const { stdout, stderr } = await run(directory, 'letter.eml')
  const results = [...stdout.matchAll(/dkim=(\w+)[^;]*? header\.a=(\S+) header\.s=(\S+)/g)]
  if (results.length === 0) throw new Error(`opendkim says nothing: ${stdout}${stderr}`)
  return results.map(([, result, algorithm, selector]) => `${algorithm} ${selector} ${result}`)
}

function run(directory: string, letter: string): ReturnType<typeof runCommand> {
  return runCommand('opendkim', ['-x', join(directory, 'opendkim.conf'), '-t', join(directory, letter), '-vv'])
}
