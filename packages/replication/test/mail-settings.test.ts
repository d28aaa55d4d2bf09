// Forwards of users, catch-alls, domain aliases and secrets: the same on every node, and after a power cut.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isErrorCode } from '@skein/runtime'
import { TestMesh } from './mesh-of-ledgers.ts'

async function twoNodes(seed: number) {
  const mesh = new TestMesh(seed)
  const a = await mesh.found('a', ['test.com', 'mailer.com.cn'])
  const b = await mesh.join('b', a)
  await mesh.connectAll()
  await mesh.converged()
  return { mesh, a, b }
}

const refusedAs = (code: string) => (error: unknown) => isErrorCode(error, code)

describe('forwards', () => {
  it('are known on every node, outlive a crash and other changes of the user, and end', async () => {
    const { mesh, a, b } = await twoNodes(11)
    await mesh.run(b.ledger.addUser('bbb@test.com'))
    const forward = { to: ['boss@other.example', 'aaa@test.com'], keep: false }
    await mesh.run(b.ledger.setUserMail('bbb@test.com', { forward, savesSent: true }))
    await mesh.run(b.ledger.setUserState('bbb@test.com', 'suspended'))
    await mesh.run(b.ledger.setUserState('bbb@test.com', 'active'))
    await mesh.converged()
    const known = a.ledger.directory.lookup('bbb@test.com')
    assert.deepEqual(known?.forward, forward)
    assert.equal(known?.savesSent, true)
    assert.deepEqual(a.ledger.directory.byAccountId(known.accountId)?.forward, forward)

    const again = await mesh.restart(b)
    assert.deepEqual(again.ledger.directory.lookup('bbb@test.com')?.forward, forward)
    await mesh.connectAll()
    await mesh.run(again.ledger.setUserMail('bbb@test.com', { forward: null }))
    await mesh.converged()
    const after = a.ledger.directory.lookup('bbb@test.com')
    assert.equal(after?.forward, undefined)
    assert.equal(after?.savesSent, true)
    await mesh.run(again.ledger.setUserMail('bbb@test.com', { savesSent: false }))
    await mesh.converged()
    assert.deepEqual(Object.keys(a.ledger.directory.lookup('bbb@test.com') ?? {}).includes('savesSent'), false)
  })

  it('are set by the home only, and only to addresses', async () => {
    const { mesh, a, b } = await twoNodes(12)
    await mesh.run(b.ledger.addUser('bbb@test.com'))
    await mesh.converged()
    const to = (...addresses: string[]) => ({ forward: { to: addresses, keep: true } })
    await assert.rejects(mesh.run(a.ledger.setUserMail('bbb@test.com', to('x@other.example'))), refusedAs('not-home'))
    await assert.rejects(
      mesh.run(b.ledger.setUserMail('no@test.com', to('x@other.example'))),
      refusedAs('no-such-user'),
    )
    const many = Array.from({ length: 21 }, (_, i) => `x${i}@other.example`)
    for (const wrong of [to(), to('nobody'), to('X@other.example'), to('a b@c.example'), to(...many)]) {
      await assert.rejects(mesh.run(b.ledger.setUserMail('bbb@test.com', wrong)), refusedAs('bad-address'))
    }
    assert.equal(b.ledger.directory.lookup('bbb@test.com')?.forward, undefined)
  })
})

describe('domains', () => {
  it('have a catch-all or stand for another, on every node', async () => {
    const { mesh, a, b } = await twoNodes(13)
    await mesh.run(b.ledger.addDomain('shop.example', { aliasOf: 'test.com' }))
    await mesh.run(a.ledger.setDomain('test.com', { catchAll: 'aaa@test.com' }))
    await mesh.run(a.ledger.setDomain('test.com', { replicas: 2 }))
    await mesh.converged()
    for (const { ledger } of [a, b]) {
      const record = { name: 'test.com', policy: 'auto', replicas: 2, catchAll: 'aaa@test.com' }
      assert.deepEqual(ledger.directory.domain('test.com'), record)
      assert.equal(ledger.directory.domain('shop.example')?.aliasOf, 'test.com')
    }
    await assert.rejects(mesh.run(a.ledger.removeDomain('test.com')), refusedAs('domain-in-use'))
    await mesh.run(b.ledger.setDomain('test.com', { catchAll: '' }))
    await mesh.run(b.ledger.setDomain('shop.example', { aliasOf: '' }))
    await mesh.converged()
    assert.deepEqual(Object.keys(a.ledger.directory.domain('test.com') ?? {}), ['name', 'policy', 'replicas'])
    assert.equal(a.ledger.directory.domain('shop.example')?.aliasOf, undefined)
  })

  it('stand for no domain that stands for another, and never for themselves', async () => {
    const { mesh, a } = await twoNodes(14)
    await mesh.run(a.ledger.addDomain('shop.example', { aliasOf: 'test.com' }))
    const wrong = [
      ['test.com', { aliasOf: 'mailer.com.cn' }],
      ['mailer.com.cn', { aliasOf: 'shop.example' }],
      ['mailer.com.cn', { aliasOf: 'mailer.com.cn' }],
      ['mailer.com.cn', { aliasOf: 'nowhere.example' }],
      ['shop.example', { catchAll: 'aaa@test.com' }],
    ] as const
    for (const [name, settings] of wrong) {
      await assert.rejects(mesh.run(a.ledger.setDomain(name, settings)), refusedAs('bad-domain-alias'), name)
    }
    await assert.rejects(mesh.run(a.ledger.setDomain('test.com', { catchAll: 'nobody' })), refusedAs('bad-address'))
  })
})

describe('secrets', () => {
  it('are shared, ordered alike everywhere, kept apart by purpose, and taken away', async () => {
    const { mesh, a, b } = await twoNodes(15)
    const keys = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)] as const
    await mesh.run(Promise.all([a.ledger.addSecret('srs', keys[0]), b.ledger.addSecret('srs', keys[1])]))
    await mesh.run(a.ledger.addSecret('other', keys[0]))
    await mesh.until(() => b.ledger.secrets('srs').length === 2 && a.ledger.secrets('srs').length === 2, 'both know')
    assert.deepEqual(a.ledger.secrets('srs'), b.ledger.secrets('srs'))
    const [first] = b.ledger.secrets('srs')
    assert.ok(first)
    await mesh.run(b.ledger.removeSecret('srs', first.id))
    await mesh.until(() => a.ledger.secrets('srs').length === 1, 'it is gone')
    const again = await mesh.restart(a)
    assert.equal(again.ledger.secrets('srs').length, 1)
    assert.deepEqual([...(again.ledger.secrets('other')[0]?.key ?? [])], [...keys[0]])
  })
})
