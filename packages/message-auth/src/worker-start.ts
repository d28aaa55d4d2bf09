// Starts a verifying thread: with what the node has kept of its compiled code, which halves the time of the start. A thread has
// to be told of it, and before it loads anything.
import { enableCompileCache } from 'node:module'
import { workerData } from 'node:worker_threads'

if ((workerData as { hasCompileCache: boolean }).hasCompileCache) enableCompileCache()
await import('./worker.ts')
