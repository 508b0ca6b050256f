// Starts our worker on a task.
import { z } from 'zod'
import { entryCommand } from '../../src/shared/entry.ts'
import { BenchError } from '../bench.ts'
import { buildWorkers } from '../bundle.ts'
import { startWorker, type Worker } from '../worker.ts'
import { recipe, type TrainTask } from './tasks.ts'

const readySchema = z
  .object({
    ready: z.object({
      engine: z.string(),
      detail: z.string(),
      parameters: z.number(),
      sessionBytes: z.number(),
      /** Peak memory of the process before it opened the session. */
      importedBytes: z.number(),
    }),
  })
  .transform(({ ready }) => ready)
export type OursReady = z.output<typeof readySchema>

/** Once in so many steps the engine pays what parameters without a gradient are owed: a turn has its share of it. */
export const enginePeriod = 16

const readyWithinMs = 180_000
const warmUpSteps = 3

/** @param devices the cores of each device */
export async function startOurs(task: TrainTask, devices: readonly (readonly number[])[]): Promise<Worker<OursReady>> {
  await buildWorkers()
  const [command, ...entry] = entryCommand(new URL('../workers/train.ts', import.meta.url))
  const input = JSON.stringify({ ...task, ...recipe, devices, warmUpSteps })
  const name = `TrainQL in ${task.precision} on ${devices.length} ${devices.length === 1 ? 'device' : 'devices'}`
  return startWorker({ name, command, args: [...entry, input], readyWithinMs }, readySchema)
}

const auditAnswer = z.object({ unchanged: z.array(z.string()), sha256: z.string() })

/**
 * Digest of everything the worker has trained. Ask once memory has been read: the answer costs copies.
 * @throws BenchError where a parameter was left as it began: a row counts only with a full update.
 */
export async function auditState(worker: Worker<OursReady>): Promise<string> {
  const { unchanged, sha256 } = await worker.ask({ audit: true }, auditAnswer)
  if (unchanged.length === 0) return sha256
  throw new BenchError(`${worker.name} never updated ${unchanged.slice(0, 5).join(', ')}: the row is void.`)
}
