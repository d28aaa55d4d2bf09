// Structured logs on stderr; stdout belongs to the operator's commands.
import pino from 'pino'

export type LogFields = Record<string, unknown>

export interface Logger {
  debug(fields: LogFields, message: string): void
  info(fields: LogFields, message: string): void
  warn(fields: LogFields, message: string): void
  error(fields: LogFields, message: string): void
  child(fields: LogFields): Logger
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'

export function createLogger(level: LogLevel, fields: LogFields = {}): Logger {
  return pino({ level, base: fields, redact: ['password', '*.password'] }, pino.destination({ dest: 2, sync: false }))
}

export const silentLogger: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silentLogger,
}
