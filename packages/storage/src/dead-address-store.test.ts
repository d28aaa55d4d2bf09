import { deadAddressStoreCompliance } from '@skein/delivery/compliance'
import { createDeadAddressStore } from './dead-address-store.ts'
import { levelStores } from './level-stores-fixture.ts'

deadAddressStoreCompliance('level', levelStores('dead-addresses', createDeadAddressStore))
