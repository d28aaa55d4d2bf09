// ID (RFC 2971): who is speaking to whom. What the client says goes to the debug log only.
import { ok } from '../replies.ts'
import type { Cursor } from '../wire/cursor.ts'
import { formatString, utf8Bytes } from '../wire/encode.ts'
import { fault } from '../wire/syntax-error.ts'
import { anyState, command } from './command.ts'

/** RFC 2971 §3.3. */
const FIELDS_MAX = 30
const FIELD_NAME_BYTES_MAX = 30
const FIELD_VALUE_BYTES_MAX = 1024

function parseFields(cursor: Cursor): Record<string, string | null> {
  const fields: Record<string, string | null> = {}
  if (!cursor.sees('(')) {
    if (cursor.nstring() !== null) fault('a list of fields or NIL is wanted')
    return fields
  }
  const pairs = cursor.list(() => {
    const name = cursor.string()
    cursor.space()
    const value = cursor.nstring()
    if (name.length > FIELD_NAME_BYTES_MAX || (value?.length ?? 0) > FIELD_VALUE_BYTES_MAX) fault('a field is too long')
    fields[name.toLowerCase()] = value
  }, true)
  if (pairs.length > FIELDS_MAX) fault('there are too many fields')
  return fields
}

export const id = command({
  name: 'ID',
  states: anyState,
  parse(cursor) {
    cursor.space()
    return parseFields(cursor)
  },
  async run(context, client) {
    context.services.logger.debug({ remote: context.remoteAddress, client }, 'an IMAP client says who it is')
    const { name, version } = context.product
    const fields = ['name', name, 'version', version].map((text) => formatString(utf8Bytes(text)))
    context.out.text(`* ID (${fields.join(' ')})\r\n`)
    return ok('Pleased to meet you')
  },
})
