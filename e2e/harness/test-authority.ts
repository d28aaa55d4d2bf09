// A certificate authority of a test's own: issues server certificates that its file alone proves.
import { join } from 'node:path'
import { chmodSync } from 'node:fs'
import { mustRun, temporaryDirectory } from './processes.ts'

export interface IssuedCertificate {
  /** The certificate, PEM. */
  cert: string
  /** Its private key, PEM. */
  key: string
}

export class TestAuthority {
  readonly directory: string
  /** What clients are given to trust. */
  readonly file: string
  private issued = 0

  private constructor(directory: string) {
    this.directory = directory
    this.file = join(directory, 'authority.pem')
  }

  static async create(): Promise<TestAuthority> {
    const authority = new TestAuthority(temporaryDirectory('authority'))
    // Servers of other users read their certificates here; keys are theirs alone.
    chmodSync(authority.directory, 0o755)
    const key = join(authority.directory, 'authority-key.pem')
    const subject = ['-subj', '/CN=Skein test authority', '-days', '2', '-addext', 'keyUsage=critical,keyCertSign']
    await mustRun('openssl', ['req', '-x509', ...newKey(key), ...subject, '-out', authority.file])
    return authority
  }

  /** @param names host names and addresses, the first of which is also the subject */
  async issue(...names: string[]): Promise<IssuedCertificate> {
    this.issued += 1
    const base = join(this.directory, `${this.issued}`)
    const cert = `${base}-cert.pem`
    const key = `${base}-key.pem`
    const alternatives = names.map((name) => (/^[\d.]+$|:/.test(name) ? `IP:${name}` : `DNS:${name}`)).join(',')
    const by = ['-CA', this.file, '-CAkey', join(this.directory, 'authority-key.pem')]
    const about = ['-subj', `/CN=${names[0] ?? 'localhost'}`, '-days', '2', '-addext', `subjectAltName=${alternatives}`]
    const isLeaf = ['-addext', 'basicConstraints=critical,CA:FALSE']
    await mustRun('openssl', ['req', '-x509', ...newKey(key), ...by, ...about, ...isLeaf, '-out', cert])
    return { cert, key }
  }
}

function newKey(file: string): string[] {
  return ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', file]
}
