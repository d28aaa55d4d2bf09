// Debian's Exim, unpacked into a cache folder: as a package it would push Postfix out, since each is the machine's one mail server.
// Nothing of it is installed but the system user that it must run as, which is the one that Debian's package makes.
import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const cacheDirectory = '/var/cache/skein-e2e'
export const eximProgram = join(cacheDirectory, 'exim4/usr/sbin/exim4')
export const eximUser = 'Debian-exim'

/** What the program is linked with beyond what every Debian has. */
export const eximLibraries: readonly string[] = [
  'libcrypt1',
  'libdb5.3',
  'libgnutls-dane0',
  'libgnutls30',
  'libidn12',
  'libidn2-0',
  'libnsl2',
  'libpcre2-8-0',
]

export function hasEximUser(): boolean {
  return readFileSync('/etc/passwd', 'utf8').includes(`\n${eximUser}:`)
}

/** @throws the error of execFileSync, with the program's words in `stderr` */
export function unpackExim(packageName: string): void {
  const run = (program: string, args: readonly string[], cwd: string) =>
    execFileSync(program, args, { cwd, stdio: ['ignore', 'ignore', 'pipe'] })
  if (!hasEximUser()) {
    const options = ['--system', '--user-group', '--no-create-home', '--home-dir', '/var/spool/exim4']
    run('useradd', [...options, '--shell', '/usr/sbin/nologin', eximUser], '/')
  }
  const download = mkdtempSync(join(tmpdir(), 'skein-exim-'))
  try {
    // The name in a folder of its own, for apt's downloader, which is another user.
    chmodSync(download, 0o777)
    run('apt-get', ['download', '-qq', packageName], download)
    const file = readdirSync(download).find((name) => name.endsWith('.deb'))
    if (file === undefined) throw new Error(`apt-get download ${packageName} left no file`)
    mkdirSync(cacheDirectory, { recursive: true })
    const unpacked = join(cacheDirectory, `exim4.${process.pid}`)
    run('dpkg-deb', ['--extract', join(download, file), unpacked], download)
    // Tests start it as root; nobody else gains anything by it.
    chmodSync(join(unpacked, 'usr/sbin/exim4'), 0o755)
    const place = join(cacheDirectory, 'exim4')
    if (existsSync(place)) rmSync(place, { recursive: true })
    renameSync(unpacked, place)
  } finally {
    rmSync(download, { recursive: true, force: true })
  }
}
