// What must be true when everything is whole and quiet again.
import { createHash } from 'node:crypto'
import type { Directory } from '@skein/accounts'
import { count, letterNumber, type Model } from './model.ts'
import type { SimulatedNode } from './simulated-node.ts'

/** Equal on two nodes exactly where their users, nodes and aliases are. */
export async function directoryHash(directory: Directory): Promise<string> {
  const hash = createHash('sha256')
  for await (const { address, accountId, home, epoch, state } of directory.entries()) {
    hash.update(JSON.stringify([address, accountId, home, epoch, state]))
  }
  hash.update(JSON.stringify(directory.nodes().map(({ id, name }) => [id, name])))
  hash.update(JSON.stringify(directory.aliases()))
  return hash.digest('hex')
}

export async function directoriesDiffer(nodes: readonly SimulatedNode[]): Promise<string | undefined> {
  const hashes: string[] = []
  for (const node of nodes) {
    const { directory } = node.parts.ledger
    hashes.push(`${(await directoryHash(directory)).slice(0, 12)} (${directory.count()})`)
  }
  if (new Set(hashes).size === 1) return undefined
  return `user lists differ: ${nodes.map((node, at) => `${node.name} ${hashes[at]}`).join(', ')}`
}

/** Accounts that a node said it had made, and that nobody knows now. */
export async function lostUsers(nodes: readonly SimulatedNode[], model: Model): Promise<string[]> {
  const known = new Set<string>()
  for await (const { accountId } of nodes[0]?.parts.ledger.directory.entries() ?? []) known.add(accountId)
  const lost: string[] = []
  for (const [address, accounts] of model.claims) {
    for (const id of accounts) if (!known.has(id)) lost.push(`the user ${address} (${id}) was made and is nowhere`)
  }
  return lost
}

/** How often each letter lies in each account: `<n> <account id>`. Notices are read into the model. */
export async function collectMail(
  nodes: readonly SimulatedNode[],
  model: Model,
  complain: (what: string) => void,
): Promise<Map<string, number>> {
  const found = new Map<string, number>()
  const letters = new Map(model.letters.map((letter) => [letter.n, letter]))
  for (const node of nodes) {
    const { ledger, mailboxes } = node.parts
    for await (const entry of ledger.directory.entries()) {
      if (entry.home !== node.id) continue
      // A name that its first owner lost, or whose making was cut short by a crash, may have got letters too.
      model.claim(entry.address.replace(/~[0-9a-f]{6}@/, '@'), entry.accountId)
      await using account = await mailboxes.open(entry.accountId)
      const inbox = account.byName('INBOX')
      if (!inbox) {
        complain(`${entry.address} has no INBOX`)
        continue
      }
      for (const record of await account.messages(inbox.id)) {
        const bytes = Buffer.from(await account.body(record))
        const n = letterNumber(bytes)
        if (bytes.subarray(0, 20).toString('latin1').startsWith('Return-Path: <>')) {
          model.readNotice(bytes)
          continue
        }
        count(found, `${n} ${entry.accountId}`)
        const letter = letters.get(n)
        if (!letter) complain(`${entry.address} holds a letter that nobody sent: ${n}`)
        else if (!bytes.subarray(bytes.length - letter.bytes.length).equals(letter.bytes)) {
          complain(`letter ${n} came to ${entry.address} with other bytes than were sent`)
        }
      }
    }
  }
  return found
}

/** Every acknowledged letter is in exactly one mailbox for each recipient, or reported as failed; no letter is anywhere twice. */
export function checkLetters(model: Model, found: ReadonlyMap<string, number>, complain: (what: string) => void): void {
  for (const { n, from, recipients, acknowledged } of model.letters) {
    for (const address of new Set(recipients.flatMap((recipient) => model.targets(recipient)))) {
      const accounts = model.claims.get(address)
      const bounced = model.bounced.get(`${n} ${address}`) ?? 0
      let copies = model.copiesOutside(n, address)
      for (const account of accounts ?? []) copies += found.get(`${n} ${account}`) ?? 0
      if (copies > 1) complain(`letter ${n} from <${from}> came to ${address} ${copies} times`)
      if (!acknowledged) continue
      if (copies + bounced === 0) complain(`letter ${n} from <${from}> to ${address} was acknowledged and is nowhere`)
      if (copies > 0 && bounced > 0) complain(`letter ${n} to ${address} was delivered and reported as failed`)
      if (bounced > 1) complain(`the failure of letter ${n} to ${address} was reported ${bounced} times`)
    }
  }
}
