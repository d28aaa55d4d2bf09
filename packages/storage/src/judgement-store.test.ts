import { judgementStoreCompliance } from '@skein/filtering/compliance'
import { createJudgementStore } from './judgement-store.ts'
import { levelStores } from './level-stores-fixture.ts'

judgementStoreCompliance('level', levelStores('judgement', createJudgementStore))
