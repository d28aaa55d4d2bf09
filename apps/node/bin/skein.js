#!/usr/bin/env node
// Starts the program with a Node that can run it. Plain JavaScript, so that an old Node can say what is wrong.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import module from 'node:module'
import { fileURLToPath } from 'node:url'

if (Number(process.versions.node.split('.')[0]) >= 24) {
  module.enableCompileCache?.()
  const { main } = await import('../src/main.ts')
  await main(process.argv.slice(2))
} else {
  const own = fileURLToPath(new URL('../../../node_modules/node/bin/node', import.meta.url))
  if (!existsSync(own)) {
    process.stderr.write(
      `skein: needs Node 24 or newer, and this is ${process.version}. The right one comes with "npm ci"; if npm does not run ` +
        'install scripts on this machine, allow the one of the package "node" (npm install-scripts approve node) and run "npm ci" again.\n',
    )
    process.exit(1)
  }
  const { status, signal } = spawnSync(own, process.argv.slice(1), { stdio: 'inherit' })
  process.exit(status ?? (signal ? 1 : 0))
}
