// The real authenticator over one account in memory, on a node without peers: for tests of front doors.
import { type Account, type Authenticator, type Directory, createAuthenticator, hashPassword } from '@skein/accounts'
import { createScramVerifier } from '@skein/accounts'
import { type PeerLink, silentLogger, systemClock, systemRandom } from '@skein/runtime'

/** Takes the password in every way, the tokens `good` (this account) and `down`, and certificates. */
export async function loneAuthenticator(
  account: Pick<Account, 'id' | 'address'>,
  password: string,
): Promise<Authenticator & { account: Account }> {
  const passwordHash = await hashPassword(password)
  const whole: Account = {
    displayName: '',
    role: 'user',
    quotaBytes: 1e9,
    state: 'active',
    createdMs: 0,
    ...account,
    passwordHash,
    scram: await createScramVerifier(password, passwordHash, systemRandom.bytes(16), 4096),
  }
  const entry = { ...account, accountId: account.id, home: 'here', epoch: 1, replicas: [], state: 'confirmed' }
  const directory = {
    self: 'here',
    lookup: (address: string) => (address === account.address ? entry : undefined),
    domains: () => [{ name: account.address.split('@')[1], policy: 'auto', replicas: 1 }],
    node: () => undefined,
  } as unknown as Directory
  const link = { self: 'here', handle() {} } as unknown as PeerLink
  const authenticator = createAuthenticator(
    {
      directory,
      accounts: {
        get: async (id) => (id === account.id ? whole : undefined),
        put: async () => {},
        update: async () => {},
        delete: async () => {},
        async *list() {
          yield whole
        },
      },
      link,
      clock: systemClock,
      random: systemRandom,
      logger: silentLogger,
      tokenVerifier: {
        scope: 'mail',
        configurationUrl: undefined,
        async verify(token) {
          if (token === 'down') return { kind: 'unavailable' }
          return token === 'good' ? { kind: 'ok', address: account.address } : { kind: 'invalid' }
        },
      },
    },
    { takesCertificates: true },
  )
  return { ...authenticator, account: whole }
}
