// user.add, list, set, remove, import: carried out by the user's home, whichever node was asked.
import { type DirectoryEntry, checkPasswordRules } from '@skein/accounts'
import { canonicalAddress } from '@skein/mail'
import type { MailSettings } from '@skein/replication'
import { SkeinError } from '@skein/runtime'
import { z } from 'zod'
import { credentialsOf, newAccount } from '../users.ts'
import { type NodeParts, type Operation, addressGiven, nameOfNode, nodeByName, operation } from './operation.ts'

const role = z.enum(['user', 'domain-admin', 'admin'])
const quotaBytes = z.int().min(0).optional()

function entryOf(parts: NodeParts, text: string): DirectoryEntry {
  const address = canonicalAddress(text)
  const entry = address === undefined ? undefined : parts.ledger.directory.lookup(address)
  if (!entry) throw new SkeinError('no-such-user', 'refused', `there is no user ${text}`)
  return entry
}

function userLine(parts: NodeParts, entry: DirectoryEntry) {
  return {
    address: entry.address,
    domain: entry.address.slice(entry.address.lastIndexOf('@') + 1),
    node: nameOfNode(parts, entry.home),
    replicas: entry.replicas.map((id) => nameOfNode(parts, id)),
    state: entry.state,
    ...(entry.forward && { forward: entry.forward }),
    ...(entry.savesSent && { saveSent: true }),
  }
}

/** What the directory says of how his mail is handled; undefined where nothing of it is to change. */
function mailSettings(
  { forward: before, address }: DirectoryEntry,
  {
    forward,
    keep,
    saveSent,
  }: { forward?: string[] | undefined; keep?: boolean | undefined; saveSent?: boolean | undefined },
): MailSettings | undefined {
  const to = (forward ?? before?.to ?? []).map(addressGiven)
  if (forward === undefined && keep !== undefined && to.length === 0) {
    throw new SkeinError('no-forward', 'refused', `the mail of ${address} goes on to nobody`)
  }
  // Whoever names himself among them keeps a copy.
  const others = [...new Set(to)].filter((target) => target !== address)
  const isKept = others.length < to.length || (keep ?? before?.keep ?? true)
  const changed = forward !== undefined || keep !== undefined
  const settings: MailSettings = {
    ...(changed && { forward: others.length > 0 ? { to: others, keep: isKept } : null }),
    ...(saveSent !== undefined && { savesSent: saveSent }),
  }
  return Object.keys(settings).length > 0 ? settings : undefined
}

const addUser = operation({
  name: 'user.add',
  params: z.strictObject({
    address: z.string(),
    password: z.string(),
    node: z.string().optional(),
    quotaBytes,
    role: role.optional(),
    displayName: z.string().max(200).optional(),
  }),
  fromPeers: true,
  at: (parts, { node }) => (node === undefined ? undefined : nodeByName(parts, node)),
  async run(parts, params) {
    checkPasswordRules(params.password)
    const own = parts.ledger.directory.node(parts.ledger.self)
    if (own?.witness) throw new SkeinError('witness-node', 'refused', `${own.name} is a witness and homes no mail`)
    const added = await parts.ledger.addUser(addressGiven(params.address))
    const account = await newAccount(added, params, parts.clock.nowMs())
    await parts.accounts.put(account)
    parts.administrators.changed(account)
    const entry = parts.ledger.directory.byAccountId(added.accountId)
    return entry
      ? userLine(parts, entry)
      : {
          address: added.address,
          domain: '',
          node: nameOfNode(parts, parts.ledger.self),
          replicas: [],
          state: added.state,
        }
  },
})

const listUsers = operation({
  name: 'user.list',
  params: z.strictObject({}),
  fromPeers: false,
  async run(parts) {
    const lines = []
    for await (const entry of parts.ledger.directory.entries()) lines.push(userLine(parts, entry))
    return lines
  },
})

const setUser = operation({
  name: 'user.set',
  params: z.strictObject({
    address: z.string(),
    password: z.string().optional(),
    quotaBytes,
    role: role.optional(),
    state: z.enum(['active', 'suspended']).optional(),
    displayName: z.string().max(200).optional(),
    /** An empty list: mail goes on to nobody. */
    forward: z.array(z.string()).max(100).optional(),
    keep: z.boolean().optional(),
    saveSent: z.boolean().optional(),
  }),
  fromPeers: true,
  at: (parts, { address }) => entryOf(parts, address).home,
  async run(parts, params) {
    const entry = entryOf(parts, params.address)
    if (params.password !== undefined) checkPasswordRules(params.password)
    const mail = mailSettings(entry, params)
    if (mail) await parts.ledger.setUserMail(entry.address, mail)
    const added = { address: entry.address, accountId: entry.accountId, state: entry.state }
    const empty = await newAccount(added, {}, parts.clock.nowMs())
    const credentials = params.password === undefined ? {} : await credentialsOf(params.password)
    let account = empty
    await parts.accounts.update(entry.accountId, (stored) => {
      const before = stored ?? empty
      account = {
        ...before,
        ...credentials,
        role: params.role ?? before.role,
        quotaBytes: params.quotaBytes ?? before.quotaBytes,
        displayName: params.displayName ?? before.displayName,
        state: params.state ?? before.state,
      }
      return account
    })
    parts.administrators.changed(account)
    if (params.password !== undefined || account.state !== 'active') parts.endSessions(entry.address)
    if (params.quotaBytes !== undefined) {
      await using mailboxes = await parts.mailboxes.open(entry.accountId)
      await mailboxes.setQuota(params.quotaBytes)
    }
    if (params.state !== undefined) await parts.ledger.setUserState(entry.address, params.state)
    const { address, role: newRole, quotaBytes: quota, state } = account
    const { forward, savesSent } = parts.ledger.directory.byAccountId(entry.accountId) ?? {}
    return {
      address,
      role: newRole,
      quotaBytes: quota,
      state,
      ...(forward && { forward }),
      ...(savesSent && { saveSent: true }),
    }
  },
})

const removeUser = operation({
  name: 'user.remove',
  params: z.strictObject({ address: z.string() }),
  fromPeers: true,
  at: (parts, { address }) => entryOf(parts, address).home,
  async run(parts, params) {
    const entry = entryOf(parts, params.address)
    // First nobody can log in, then nothing arrives any more, then the mail goes.
    await parts.accounts.delete(entry.accountId)
    parts.administrators.removed(entry.accountId)
    parts.endSessions(entry.address)
    await parts.ledger.removeUser(entry.address)
    await parts.mailboxes.deleteAccount(entry.accountId)
    return { address: entry.address }
  },
})

const importLinesMax = 2_000_000

const importUsers = operation({
  name: 'user.import',
  params: z.strictObject({ text: z.string(), quotaBytes }),
  fromPeers: false,
  async run(parts, params) {
    const lines = params.text.split(/\r?\n/)
    if (lines.length > importLinesMax) {
      throw new SkeinError('import-too-long', 'refused', `one import takes at most ${importLinesMax} lines`)
    }
    const hashes = new Map<string, string | undefined>()
    const lineOf = new Map<string, number>()
    const refused: { line: number; text: string; why: string }[] = []
    for (const [index, line] of lines.entries()) {
      const text = line.trim()
      if (text === '' || text.startsWith('#')) continue
      // A PHC string holds commas itself (m=…,t=…), so only the first comma divides.
      const comma = text.indexOf(',')
      const given = (comma < 0 ? text : text.slice(0, comma)).trim()
      const hash = comma < 0 ? undefined : text.slice(comma + 1).trim()
      const address = canonicalAddress(given)
      if (!address) refused.push({ line: index + 1, text: given, why: 'not an address' })
      else if (hash !== undefined && !hash.startsWith('$argon2')) {
        refused.push({ line: index + 1, text: given, why: 'the password hash is not an argon2 PHC string' })
      } else if (hashes.has(address)) refused.push({ line: index + 1, text: given, why: 'the address stands twice' })
      else {
        hashes.set(address, hash)
        lineOf.set(address, index + 1)
      }
    }
    const outcome = await parts.ledger.addUsers(hashes.keys())
    const nowMs = parts.clock.nowMs()
    const pending: Promise<void>[] = []
    for (const added of outcome.added) {
      const options = { passwordHash: hashes.get(added.address), quotaBytes: params.quotaBytes }
      // newAccount hashes nothing here, so that this stays quick for a million.
      pending.push(newAccount(added, options, nowMs).then((account) => parts.accounts.put(account)))
      if (pending.length >= 2000) await Promise.all(pending.splice(0))
    }
    await Promise.all(pending)
    for (const { address, code } of outcome.refused) {
      refused.push({ line: lineOf.get(address) ?? 0, text: address, why: code })
    }
    refused.sort((a, b) => a.line - b.line)
    return { added: outcome.added.length, refused }
  },
})

export const userOperations: Operation[] = [addUser, listUsers, setUser, removeUser, importUsers]
