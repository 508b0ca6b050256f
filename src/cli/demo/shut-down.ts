// Leaves nothing running behind the demo: its runs canceled, its server stopped, its trainers gone.
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Client, Run } from '../../sdk/index.ts'
import { processState } from '../../shared/process-identity.ts'
import { parseLockRecord } from '../../shared/run-directory.ts'
import { liveRunStates } from '../../shared/run-state.ts'
import type { ServerProcess } from '../server-process.ts'

/** Twice the grace that the demo's server gives its trainers. */
const cancelTimeoutMs = 20_000

/** Cancels every unfinished run of this server and waits until they have ended. Returns them. */
export async function cancelUnfinished(client: Client, signal: AbortSignal): Promise<Run[]> {
  const canceled: Run[] = []
  for (;;) {
    const { nodes } = await client.runs({ states: [...liveRunStates], first: 50 }, { signal })
    if (nodes.length === 0) return canceled
    await Promise.all(
      nodes.map(async ({ id, state }) => {
        // It may end by itself between the two requests: the server then says so, and the wait returns at once.
        if (state !== 'CANCELING') await client.cancelRun(id, { signal }).catch(ignoreFailure)
        await client.waitForRun(id, { signal })
      }),
    )
    canceled.push(...nodes)
  }
}

function ignoreFailure(error: unknown): void {
  if (!(error instanceof Error) || error.name !== 'TrainqlFailure') throw error
}

/** Cancels, stops, and ends by force what is left after the time limit or once `forced` is aborted. Never throws. */
export async function shutDown(
  { client, server, home }: { client: Client; server: ServerProcess; home: string },
  forced: AbortSignal,
): Promise<void> {
  const limit = AbortSignal.any([forced, server.gone, AbortSignal.timeout(cancelTimeoutMs)])
  // A server that is gone or stuck cannot cancel; its trainers are ended below all the same.
  await cancelUnfinished(client, limit).catch(() => undefined)
  await client.close()
  await server.stop(forced)
  await endTrainers(home)
}

/** SIGKILLs the trainers whose lock in `home` names a process that still lives. Normally there is none. */
export async function endTrainers(home: string): Promise<number[]> {
  const ended: number[] = []
  const runs = join(home, 'runs')
  const folders = await readdir(runs).catch(() => [])
  for (const folder of folders) {
    const files = await readdir(join(runs, folder)).catch(() => [])
    for (const file of files.filter((name) => name.startsWith('lock.'))) {
      const lock = await readLock(join(runs, folder, file))
      if (lock === undefined || processState(lock) !== 'alive') continue
      process.kill(lock.pid, 'SIGKILL')
      ended.push(lock.pid)
    }
  }
  return ended
}

async function readLock(file: string): Promise<ReturnType<typeof parseLockRecord> | undefined> {
  try {
    return parseLockRecord(JSON.parse(await readFile(file, 'utf8')))
  } catch {
    // Gone meanwhile, or not written by a trainer of this version: nothing we could name a process by.
    return undefined
  }
}
