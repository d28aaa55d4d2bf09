// `imap`, `pop3`, `http`, `sessions` and `search`: how people get at their mail.
import { z } from 'zod'
import { count } from './values.ts'

export const imapSchema = z
  .strictObject({
    'connections-max': count(1_000_000).default(10_000).describe('IMAP connections at once.'),
    'connections-per-address-max': count(1_000_000).default(500).describe('IMAP connections at once from one address.'),
    'literal-bytes-max': count(2 ** 31)
      .default(64 * 1024 * 1024)
      .describe('Largest literal (APPEND) taken.'),
    unauthenticate: z
      .boolean()
      .default(true)
      .describe('Whether a connection may go over to another account (RFC 8437).'),
  })
  .prefault({})
  .describe('IMAP.')

export const searchSchema = z
  .strictObject({
    accounts: z
      .enum(['used', 'all', 'none'])
      .default('used')
      .describe(
        'Whose mail is indexed for searches: accounts that someone reads by IMAP, all that get mail, or none (searches then read the mail itself).',
      ),
  })
  .prefault({})
  .describe('The index for searches, in DIR/search; it may be removed at any time and is made again.')

export const pop3Schema = z
  .strictObject({
    'connections-max': count(1_000_000).default(10_000).describe('POP3 connections at once.'),
    'connections-per-address-max': count(1_000_000).default(200).describe('POP3 connections at once from one address.'),
    'expire-days': z
      .int()
      .min(0)
      .max(36_500)
      .optional()
      .describe('Days for which letters stay, as POP3 tells clients (EXPIRE); left out: NEVER removed. Only told.'),
    'ascii-headers': z
      .boolean()
      .default(false)
      .describe(
        'Whether a client that does not say UTF8 gets UTF-8 in a letter’s header made ASCII (RFC 6856); else every letter goes out byte for byte, which every client known to us reads and which keeps its signatures.',
      ),
  })
  .prefault({})
  .describe('POP3.')

export const sessionsSchema = z
  .strictObject({
    carry: z
      .boolean()
      .default(true)
      .describe(
        'People of other nodes may log in here by IMAP and POP3: their sessions are carried to their home; false: they are told where that is.',
      ),
  })
  .prefault({})
  .describe('Logins of people whose mailbox lives on another node.')

export const httpSchema = z
  .strictObject({
    'connections-max': count(1_000_000).default(10_000).describe('HTTP connections at once.'),
    'connections-per-address-max': count(1_000_000).default(200).describe('HTTP connections at once from one address.'),
    'request-timeout-seconds': count(3600)
      .default(60)
      .describe('A client that has not sent its whole request in this time is closed; a quarter of it for the header.'),
    'metrics-token': z
      .string()
      .default('')
      .describe('Whoever sends this bearer token may read /metrics from anywhere; empty: only this machine may.'),
  })
  .prefault({})
  .describe('HTTP and HTTPS.')
