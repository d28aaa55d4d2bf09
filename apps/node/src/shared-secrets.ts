// The secrets of SRS lie in the shared document of the mesh: every member reads them, admins write them (ADR 16).
import type { SharedSecrets } from '@skein/delivery'
import type { Ledger } from '@skein/replication'

const purpose = 'srs'

export function sharedSecrets(ledger: Ledger): SharedSecrets {
  return {
    list: () => ledger.secrets(purpose),
    mayChange: () => ledger.role() === 'admin',
    add: (key) => ledger.addSecret(purpose, key),
    remove: (id) => ledger.removeSecret(purpose, id),
  }
}
