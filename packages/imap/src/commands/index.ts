// The table of commands: all that this server understands, one row each.
import type { Cursor } from '../wire/cursor.ts'
import { deleteacl, getacl, listrights, myrights, setacl } from './acl.ts'
import { append } from './append.ts'
import { authenticate } from './authenticate.ts'
import { capability } from './capability.ts'
import { cancelupdate } from './cancelupdate.ts'
import { close, unselect } from './close.ts'
import type { Command } from './command.ts'
import { compress } from './compress.ts'
import { copy, move, uidCopy, uidMove } from './copy.ts'
import { create } from './create.ts'
import { deleteMailbox } from './delete.ts'
import { enable } from './enable.ts'
import { expunge, uidExpunge } from './expunge.ts'
import { fetch, uidFetch } from './fetch.ts'
import { id } from './id.ts'
import { idle } from './idle.ts'
import { list, lsub } from './list.ts'
import { login } from './login.ts'
import { logout } from './logout.ts'
import { getmetadata, setmetadata } from './metadata.ts'
import { namespace } from './namespace.ts'
import { check, noop } from './noop.ts'
import { notify } from './notify.ts'
import { getquota, getquotaroot, setquota } from './quota.ts'
import { rename } from './rename.ts'
import { replace, uidReplace } from './replace.ts'
import { search, sort, uidSearch, uidSort } from './search.ts'
import { esearch } from './esearch.ts'
import { examine, select } from './select.ts'
import { starttls } from './starttls.ts'
import { status } from './status.ts'
import { store, uidStore } from './store.ts'
import { uidbatches } from './uidbatches.ts'
import { unauthenticate } from './unauthenticate.ts'
import { subscribe, unsubscribe } from './subscribe.ts'
import { thread, uidThread } from './thread.ts'

const commands: readonly Command[] = [
  capability,
  noop,
  logout,
  id,
  starttls,
  login,
  authenticate,
  enable,
  compress,
  unauthenticate,
  select,
  examine,
  create,
  deleteMailbox,
  rename,
  subscribe,
  unsubscribe,
  list,
  lsub,
  namespace,
  status,
  append,
  idle,
  getquota,
  getquotaroot,
  setquota,
  setacl,
  deleteacl,
  getacl,
  listrights,
  myrights,
  getmetadata,
  setmetadata,
  check,
  close,
  unselect,
  expunge,
  uidExpunge,
  search,
  uidSearch,
  sort,
  uidSort,
  thread,
  uidThread,
  esearch,
  notify,
  cancelupdate,
  fetch,
  uidFetch,
  store,
  uidStore,
  copy,
  uidCopy,
  move,
  uidMove,
  replace,
  uidReplace,
  uidbatches,
]

const byName = new Map(commands.map((command) => [command.name, command]))

/** Reads the command's name; `UID` and what follows are one name. */
export function findCommand(cursor: Cursor): Command | undefined {
  const word = cursor.keyword()
  if (word !== 'UID') return byName.get(word)
  cursor.space()
  return byName.get(`UID ${cursor.keyword()}`)
}
