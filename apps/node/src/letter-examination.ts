// Puts together what looks at letters where they come in: threads that check and sign, the keys of this node, its policy.
import type { LetterExaminer } from '@skein/delivery'
import { createLetterExaminer } from '@skein/filtering'
import { createVerifierPool } from '@skein/message-auth'
import type { Ledger } from '@skein/replication'
import type { DmarcJournal } from '@skein/reports'
import { type DnsResolver, type Logger, createAddressSet, systemClock as clock } from '@skein/runtime'
import type { Config } from './config.ts'
import type { DataDirectory } from './data-directory.ts'
import { DkimKeys } from './dkim-keys.ts'
import type { Opened } from './opened.ts'

export interface LetterExaminationParts {
  paths: DataDirectory
  config: Config
  ledger: Ledger
  dns: DnsResolver
  hostName: string
  journal: DmarcJournal
  logger: Logger
  opened: Opened
}

export interface LetterExamination {
  examiner: LetterExaminer
  keys: DkimKeys
}

export function openLetterExamination(parts: LetterExaminationParts): LetterExamination {
  const { paths, config, ledger, dns, hostName, journal, opened } = parts
  const logger = parts.logger.child({ part: 'authentication' })
  const chosen = config.authentication
  const verifier = createVerifierPool({ dns, clock, logger }, { hostName })
  opened.add('verifier', () => verifier.close())
  const keys = new DkimKeys({ directory: paths.dkim, ledger, dns, clock, logger })
  opened.add('DKIM keys', () => keys.close())
  const isTrusted = chosen.check ? createAddressSet(config.smtp.trusted) : () => true
  const examiner = createLetterExaminer(
    {
      verifier,
      dns,
      directory: ledger.directory,
      journal,
      clock,
      logger,
      keys: () => (chosen.sign ? keys.signing() : []),
    },
    {
      hostName,
      isTrusted,
      policy: {
        dmarc: chosen.dmarc,
        spfFail: chosen['spf-fail'],
        dnsTrouble: chosen['dns-trouble'],
        trustedSealers: chosen['trusted-sealers'],
      },
    },
  )
  return { examiner, keys }
}
