// What e2e needs from the system beyond Node: real mail clients and network tools. Installed where this is root on Debian or Ubuntu;
// elsewhere what is missing is said, and the tests that need it are skipped by name.
import { execFileSync } from 'node:child_process'
import { accessSync, constants, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { eximLibraries, eximProgram, hasEximUser, unpackExim } from './exim-program.ts'

/** Program -> the Debian package that brings it. */
export const clientPrograms: Record<string, string> = {
  curl: 'curl',
  swaks: 'swaks',
  mbsync: 'isync',
  fetchmail: 'fetchmail',
  neomutt: 'neomutt',
  offlineimap: 'offlineimap3',
  alpine: 'alpine',
  aerc: 'aerc',
  getmail: 'getmail6',
  mpop: 'mpop',
  msmtp: 'msmtp',
  gsasl: 'gsasl',
  openssl: 'openssl',
  tmux: 'tmux',
  's-nail': 's-nail',
  python3: 'python3',
  ip: 'iproute2',
  nft: 'nftables',
  knotd: 'knot',
  pebble: 'pebble',
  unbound: 'unbound',
  postconf: 'postfix',
}

/** More, only for `npm run bench -- --peer postfix-dovecot`. */
export const peerPrograms: Record<string, string> = {
  postconf: 'postfix',
  dovecot: 'dovecot-core',
}

/** Packages with no program of their own name: modules of the ones above. */
const peerModules: Record<string, string> = {
  '/usr/lib/dovecot/imap': 'dovecot-imapd',
  '/usr/lib/dovecot/lmtp': 'dovecot-lmtpd',
  '/usr/lib/dovecot/pop3': 'dovecot-pop3d',
}

/** Unpacked beside Postfix, not installed: see exim-program.ts. */
const eximPackage = 'exim4-daemon-light'

/** What swaks needs for STARTTLS, which Debian only recommends with it. */
const swaksTls = { module: 'Net::SSLeay', package: 'libnet-ssleay-perl' }

export function hasProgram(name: string): boolean {
  if (name === 'exim4') return existsSync(eximProgram) && hasEximUser()
  const path = `${process.env['PATH'] ?? ''}${delimiter}/usr/sbin${delimiter}/sbin`
  return path.split(delimiter).some((directory) => {
    try {
      accessSync(join(directory, name), constants.X_OK)
      return directory !== ''
    } catch {
      return false
    }
  })
}

function missingPackages(programs: Record<string, string>, files: Record<string, string>): string[] {
  const missing = Object.entries(programs)
    .filter(([name]) => !hasProgram(name))
    .map(([, name]) => name)
  for (const [file, name] of Object.entries(files)) if (!existsSync(file)) missing.push(name)
  return [...new Set(missing)]
}

/** What e2e lacks on this machine, as Debian package names. */
export function missingClientPackages(): string[] {
  const missing = missingPackages(clientPrograms, {})
  if (!perlHas(swaksTls.module)) missing.push(swaksTls.package)
  if (!hasProgram('exim4')) missing.push(eximPackage)
  return missing
}

function perlHas(module: string): boolean {
  try {
    execFileSync('perl', [`-M${module}`, '-e', '1'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

export function missingPeerPackages(): string[] {
  return missingPackages(peerPrograms, peerModules)
}

function canInstall(): boolean {
  if (process.getuid?.() !== 0 || !hasProgram('apt-get')) return false
  try {
    return /^ID(_LIKE)?=.*(debian|ubuntu)/m.test(readFileSync('/etc/os-release', 'utf8'))
  } catch {
    return false
  }
}

/** Debian asks this file whether a service may start while it is being installed; 101 means no. */
const policyFile = '/usr/sbin/policy-rc.d'

/**
 * Installs what is missing, takes nothing away for it, and leaves no service running.
 * @returns the packages that are still missing, with why.
 */
export function installPackages(missing: readonly string[]): { missing: readonly string[]; why: string } {
  if (missing.length === 0) return { missing: [], why: '' }
  if (!canInstall()) {
    return { missing, why: 'not root on Debian or Ubuntu: install them yourself to run every test' }
  }
  const ownPolicy = !existsSync(policyFile)
  if (ownPolicy) writeFileSync(policyFile, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
  const still: string[] = []
  const reasons: string[] = []
  const attempt = (packages: readonly string[], install: () => void) => {
    if (packages.length === 0) return
    try {
      install()
    } catch (error) {
      still.push(...packages)
      const reason = String((error as { stderr?: Buffer }).stderr ?? error).trim()
      reasons.push(`apt-get could not install them: ${reason.split('\n').at(-1) ?? ''}`)
    }
  }
  try {
    attempt(missing, () => aptGet(['update']))
    if (still.length > 0) return { missing, why: reasons.join('; ') }
    // Alone, since it stands in the way of whatever mail server this machine has: then that stays, and the tests are skipped.
    const mailServers = missing.filter((name) => name === 'postfix')
    const others = missing.filter((name) => name !== 'postfix' && name !== eximPackage)
    attempt(others, () => aptGet(['install', ...others]))
    attempt(mailServers, () => aptGet(['install', ...mailServers]))
    if (missing.includes(eximPackage)) {
      attempt([eximPackage], () => {
        aptGet(['install', ...eximLibraries])
        unpackExim(eximPackage)
      })
    }
  } finally {
    if (ownPolicy) rmSync(policyFile, { force: true })
  }
  return { missing: still, why: reasons.join('; ') }
}

/** @throws the error of execFileSync, with apt-get's words in `stderr` */
function aptGet(args: readonly string[]): void {
  const quiet = ['-o', 'DPkg::Lock::Timeout=120', '-y', '-qq', '--no-install-recommends', '--no-remove']
  execFileSync('apt-get', [...quiet, ...args], {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
}

/** For a test's `skip` option: false where all programs are there, else the sentence that says what is missing. */
export function skipWithout(...programs: string[]): string | false {
  const missing = programs.filter((name) => !hasProgram(name))
  if (missing.length === 0) return false
  const packages = missing.map(
    (name) => (name === 'exim4' ? eximPackage : undefined) ?? clientPrograms[name] ?? peerPrograms[name] ?? name,
  )
  return `needs ${missing.join(', ')} (Debian: ${packages.join(' ')})`
}
