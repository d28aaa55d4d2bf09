// `smtp`: the front door for letters, from other mail systems and from our own users.
import { deliveryLimits } from '@skein/delivery'
import { z } from 'zod'
import { addressOrBlock, amount, count } from './values.ts'

export const smtpSchema = z
  .strictObject({
    'bare-line-ends': z
      .enum(['refuse', 'normalise'])
      .default('refuse')
      .describe('What happens to letters with a bare CR or LF: refused, or made CRLF.'),
    'message-bytes-max': count(2 ** 31)
      .default(50 * 1024 * 1024)
      .describe('Largest message taken.'),
    'recipients-max': count(100_000).default(1000).describe('Recipients of one letter.'),
    'user-letters-per-hour-max': amount
      .default(deliveryLimits.userLettersPerHourMax)
      .describe('Letters that one user may submit within an hour, all nodes together; 0: no end.'),
    'user-recipients-per-hour-max': amount
      .default(deliveryLimits.userRecipientsPerHourMax)
      .describe('Recipients of what one user submits within an hour, all nodes together; 0: no end.'),
    'user-recipients-per-day-max': amount
      .default(deliveryLimits.userRecipientsPerDayMax)
      .describe('The same within a day.'),
    'connections-max': count(1_000_000).default(10_000).describe('SMTP connections at once, all ports together.'),
    'connections-per-address-max': count(1_000_000).default(200).describe('SMTP connections at once from one address.'),
    'command-timeout-seconds': count(3600)
      .default(300)
      .describe('A client that completes no command in this time is closed.'),
    'data-timeout-seconds': count(3600)
      .default(180)
      .describe('A client that sends nothing of its message for this long is closed.'),
    trusted: z
      .array(addressOrBlock)
      .default(['127.0.0.0/8', '::1'])
      .describe(
        'Addresses or CIDR ranges that get no greeting pause, no limit of connections per address (POP3 too), and of whom the door asks nothing.',
      ),
    proxy: z
      .array(addressOrBlock)
      .default([])
      .describe(
        'Addresses or CIDR ranges of load balancers: their connections must begin with a PROXY header (version 1 or 2), and who it names counts as the client.',
      ),
    xclient: z
      .array(addressOrBlock)
      .default([])
      .describe("Addresses or CIDR ranges whose XCLIENT counts (Postfix's way to say who the client is)."),
    xforward: z
      .array(addressOrBlock)
      .default([])
      .describe("Addresses or CIDR ranges whose XFORWARD counts: for a letter's Received field and its checks."),
    'solicitations-refused': z
      .array(z.string().regex(/^[A-Za-z0-9._:-]+$/))
      .default([])
      .describe('Keywords of NO-SOLICITING (RFC 3865); letters whose sender says that they offer that are refused.'),
    'future-release-max-days': count(365)
      .default(90)
      .describe('How far ahead a letter may be submitted to be sent (FUTURERELEASE).'),
    'channel-binding': z
      .boolean()
      .default(false)
      .describe(
        'Whether submission offers SCRAM-SHA-256-PLUS. Off: neomutt with GNU SASL takes it where it is offered, cannot do it and gives up.',
      ),
  })
  .prefault({})
  .describe('SMTP and submission.')
