// What the runs of a storm would have come to without it: the same specs trained by a trainer that nobody disturbs.
import { readFileSync } from 'node:fs'
import { specFile } from '../../src/shared/run-directory.ts'
import { parseRunSpec } from '../../src/shared/run-spec.ts'
import { BenchError } from '../bench.ts'
import { allowedCores } from '../machine.ts'
import { runTrainer } from '../train/trainer-run.ts'

export interface References {
  /** Has the run's reference trained, where none that trains the same is trained already. */
  train(directory: string): void
  /** For each of these directories the hash of the weights that its spec ends with, once all are trained. */
  hashes(directories: readonly string[]): Promise<Map<string, string>>
}

/** Trained while the storm goes on, one at a time: they take no time behind it. */
export function createReferences(): References {
  const trained = new Map<string, Promise<string>>()
  let turn: Promise<unknown> = Promise.resolve()

  function hashOf(directory: string): Promise<string> {
    const spec = trainingOf(directory)
    const key = JSON.stringify(spec)
    const known = trained.get(key)
    if (known !== undefined) return known
    const hash = turn.then(() => train(spec))
    turn = hash.catch(() => undefined)
    trained.set(key, hash)
    return hash
  }

  return {
    train(directory) {
      // Whoever asks for the hash meets what went wrong.
      hashOf(directory).catch(() => undefined)
    },
    async hashes(directories) {
      return new Map(
        await Promise.all(directories.map(async (directory) => [directory, await hashOf(directory)] as const)),
      )
    },
  }
}

/** The spec without what has no part in the arithmetic: who it is, its devices, its place in the queue, its retries. */
function trainingOf(directory: string): Record<string, unknown> {
  const spec = parseRunSpec(JSON.parse(readFileSync(specFile(directory), 'utf8')))
  const { runId: _id, name: _name, devices: _devices, priority: _priority, retry: _retry, ...training } = spec
  return training
}

/** On one device, whatever the run had: their number does not change the answer. */
async function train(spec: Record<string, unknown>): Promise<string> {
  const core = allowedCores().at(-1) ?? 0
  const events = await runTrainer({ spec, devices: [[core]], dataRoots: [] })
  const last = events.findLast((event) => event.type === 'checkpoint')
  if (last === undefined) throw new BenchError('The undisturbed run wrote no checkpoint.')
  return last.sha256
}
