// `skein init` and `skein join`: what a node needs before it first runs. Either all of it is there afterwards, or nothing.
import { rmSync } from 'node:fs'
import { isIP } from 'node:net'
import { checkPasswordRules } from '@skein/accounts'
import { canonicalAddress, canonicalDomain } from '@skein/mail'
import { createSigner, generateNodeKey, knock } from '@skein/mesh'
import { type Ledger, type NodeProfile, createLedger, parseInvite } from '@skein/replication'
import { SkeinError, isErrorCode, silentLogger, systemClock, systemRandom } from '@skein/runtime'
import { Database, createAccountStore, createLedgerStore } from '@skein/storage'
import { type DataDirectory, createDataDirectory, writeFileDurably } from './data-directory.ts'
import { type ProfileName, portOf } from './profile.ts'
import { certificateNames, makeOwnCertificate } from './own-certificate.ts'
import { hostNameOf, meshAddress } from './node-names.ts'
import { newAccount } from './users.ts'
import { skeinVersion } from './version.ts'

export interface NodeChoices {
  name: string
  region: string
  bind: string
  profile: ProfileName
  /** What peers must know beside being members (DI-46). */
  secondFactor?: { user: string; password: string } | undefined
}

export interface FoundingChoices extends NodeChoices {
  domains: string[]
  admin: { address: string; password: string } | undefined
}

export interface JoiningChoices extends NodeChoices {
  token: string
  witness: boolean
}

export interface MadeNode {
  name: string
  nodeId: string
  meshId: string
}

/** @throws SkeinError `bad-name`, `bad-bind`, `bad-domain`, `already-initialised`, … */
export async function initNode(
  paths: DataDirectory,
  choices: FoundingChoices,
): Promise<MadeNode & { recoveryKey: string }> {
  checkChoices(choices)
  const domains = choices.domains.map((text) => {
    const domain = canonicalDomain(text)
    if (!domain) throw new SkeinError('bad-domain', 'refused', `"${text}" is not a domain name`)
    return domain
  })
  const { admin } = choices
  const adminAddress = admin && canonicalAddress(admin.address.trim())
  if (admin) {
    checkPasswordRules(admin.password)
    if (!adminAddress || !domains.includes(adminAddress.slice(adminAddress.lastIndexOf('@') + 1))) {
      throw new SkeinError('bad-address', 'refused', `the admin's address must be in one of the mesh's domains`)
    }
  }
  return makeNode(paths, choices, domains, async (ledger, database) => {
    const { recoveryKey } = await ledger.foundMesh({ ...profileOf(choices, domains), domains })
    if (admin && adminAddress !== undefined) {
      const added = await ledger.addUser(adminAddress)
      // RFC 5321 §4.5.1: every domain has a postmaster; an alias makes it the same on every node.
      for (const name of domains) {
        const address = `postmaster@${name}`
        if (address !== added.address) await ledger.addAlias(address, [added.address])
      }
      const account = await newAccount(added, { password: admin.password, role: 'admin' }, systemClock.nowMs())
      await createAccountStore(database).put(account)
    }
    return { recoveryKey }
  })
}

/** @throws SkeinError `bad-token`, `peer-unreachable`, `invite-used`, `invite-expired`, `invite-unknown`, … */
export async function joinMesh(paths: DataDirectory, choices: JoiningChoices): Promise<MadeNode> {
  checkChoices(choices)
  const invite = parseInvite(choices.token)
  return makeNode(paths, choices, [], async (ledger, _database, privateKey) => {
    const profile = { ...profileOf(choices, []), witness: choices.witness }
    const { reply } = await knockAt({
      privateKey,
      peers: invite.peers,
      request: ledger.joinRequest(invite, profile),
      clock: systemClock,
      logger: silentLogger,
      ...(choices.bind === '' ? {} : { localAddress: choices.bind }),
      ...(choices.secondFactor ? { secondFactor: choices.secondFactor } : {}),
    })
    await ledger.adoptJoin(invite, profile, reply)
    return {}
  })
}

/** A member tells a stranger nothing, so that a used token and a dead line look alike from here. */
async function knockAt(options: Parameters<typeof knock>[0]): ReturnType<typeof knock> {
  try {
    return await knock(options)
  } catch (error) {
    if (!isErrorCode(error, 'peer-unreachable')) throw error
    const addresses = options.peers.flatMap((peer) => peer.addresses).join(', ')
    throw new SkeinError(
      'not-let-in',
      'refused',
      `no member let this machine in (${addresses}): the token is used up or has expired, or none of them can be reached`,
      error,
    )
  }
}

function checkChoices({ name, bind }: NodeChoices): void {
  if (!/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/i.test(name)) {
    throw new SkeinError(
      'bad-name',
      'refused',
      'a node’s name is 1 to 63 letters, digits and hyphens, as in a host name',
    )
  }
  if (bind !== '' && !isIP(bind)) {
    throw new SkeinError('bad-bind', 'refused', `"${bind}" is not an IP address to bind to`)
  }
}

/** Addresses are corrected at each start, when the listening sockets are open. */
function profileOf({ name, region, bind, profile }: NodeChoices, domains: string[]): NodeProfile {
  return {
    name,
    region,
    addresses: bind === '' ? [] : [meshAddress(bind, portOf(profile, 'mesh'))],
    hostName: hostNameOf(name, domains),
    version: skeinVersion,
  }
}

async function makeNode<More>(
  paths: DataDirectory,
  choices: NodeChoices,
  domains: string[],
  enter: (ledger: Ledger, database: Database, privateKey: Uint8Array) => Promise<More>,
): Promise<MadeNode & More> {
  createDataDirectory(paths)
  try {
    const { privateKey } = generateNodeKey()
    writeFileDurably(paths.nodeKey, privateKey)
    await makeOwnCertificate(paths, certificateNames(choices.bind, hostNameOf(choices.name, domains), domains))
    const database = await Database.open(paths.database)
    try {
      const ledger = await createLedger({
        store: createLedgerStore(database),
        signer: createSigner(privateKey),
        clock: systemClock,
        random: systemRandom,
        logger: silentLogger,
      })
      const more = await enter(ledger, database, privateKey)
      await ledger.close()
      writeFileDurably(paths.config, firstConfig(choices))
      // Another member may have had the name already.
      const name = ledger.directory.node(ledger.self)?.name ?? choices.name
      return { name, nodeId: ledger.self, meshId: ledger.meshId as string, ...more }
    } finally {
      await database.close()
    }
  } catch (error) {
    for (const made of [
      paths.config,
      paths.nodeKey,
      paths.tlsCert,
      paths.tlsKey,
      paths.tlsSelfMade,
      paths.database,
      paths.messages,
    ]) {
      rmSync(made, { recursive: true, force: true })
    }
    throw error
  }
}

function firstConfig({ profile, bind, secondFactor }: NodeChoices): string {
  return [
    '# What belongs to this machine. Every key is explained in docs/operating/configuration.md.',
    '# Domains, users, nodes and policy belong to the mesh and are changed with the skein commands.',
    `profile = ${JSON.stringify(profile)}`,
    `bind = ${JSON.stringify(bind)}`,
    ...(secondFactor
      ? [
          '',
          '[mesh]',
          `user = ${JSON.stringify(secondFactor.user)}`,
          `password = ${JSON.stringify(secondFactor.password)}`,
        ]
      : []),
    '',
  ].join('\n')
}
