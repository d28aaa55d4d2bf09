// The table of commands.
import { auth } from './auth.ts'
import { capa } from './capa.ts'
import type { Pop3Command } from './command.ts'
import { dele } from './dele.ts'
import { lang } from './lang.ts'
import { list } from './list.ts'
import { noop } from './noop.ts'
import { pass } from './pass.ts'
import { quit } from './quit.ts'
import { retr } from './retr.ts'
import { rset } from './rset.ts'
import { stat } from './stat.ts'
import { stls } from './stls.ts'
import { top } from './top.ts'
import { uidl } from './uidl.ts'
import { user } from './user.ts'
import { utf8 } from './utf8.ts'

const table = [user, pass, auth, capa, stls, quit, noop, stat, list, uidl, retr, top, dele, rset, utf8, lang]

export const commands: ReadonlyMap<string, Pop3Command> = new Map(table.map((command) => [command.name, command]))
