import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { PriorityOrder } from './priority-order.ts'

test('the first is always the one that sorting by priority and arrival puts first', () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant('add' as const), id: fc.nat(20), priority: fc.integer({ min: -9, max: 9 }) }),
    fc.record({ do: fc.constant('delete' as const), id: fc.nat(20) }),
    fc.constant({ do: 'take' as const }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      const order = new PriorityOrder()
      let model: { id: string; priority: number }[] = []
      const first = () => model.toSorted((a, b) => b.priority - a.priority)[0]?.id
      for (const it of steps) {
        const id = it.do === 'take' ? first() : `q${it.id}`
        if (it.do === 'add' && id !== undefined) {
          const there = model.find((one) => one.id === id)
          if (!there || there.priority < it.priority) {
            model = [...model.filter((one) => one.id !== id), { id, priority: it.priority }]
          }
          order.add(id, it.priority)
        } else if (id !== undefined) {
          model = model.filter((one) => one.id !== id)
          order.delete(id)
        }
        assert.equal(order.first(), first())
      }
    }),
  )
})
