// COMPRESS (RFC 4978): everything after the tagged answer goes in raw deflate, both ways.
import { bad, no, ok } from '../replies.ts'
import { compressionStartedText } from '../wire/compression-started.ts'
import { fault } from '../wire/syntax-error.ts'
import { command, loggedIn } from './command.ts'

export const compress = command({
  name: 'COMPRESS',
  states: loggedIn,
  parse(cursor) {
    cursor.space()
    if (cursor.keyword() !== 'DEFLATE') fault('there is no such way to compress')
  },
  async run(context) {
    if (context.compressed) return no('The connection is compressed already', 'COMPRESSIONACTIVE')
    if (!context.changeLayer('deflate')) return bad('Nothing may follow COMPRESS before its answer')
    return ok(compressionStartedText)
  },
})
