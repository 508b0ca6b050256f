// What the runs of a storm would have come to without it: the same specs trained by a trainer that nobody disturbs.
import { readFileSync } from 'node:fs'
import { specFile } from '../../src/shared/run-directory.ts'
import { parseRunSpec } from '../../src/shared/run-spec.ts'
import { BenchError } from '../bench.ts'
import { allowedCores } from '../machine.ts'
import { runTrainer } from '../train/trainer-run.ts'

/** For each run directory the hash of the weights that its spec ends with; specs that train the same are trained once. */
export async function trainReferences(directories: readonly string[]): Promise<Map<string, string>> {
  const keys = new Map(directories.map((directory) => [directory, JSON.stringify(trainingOf(directory))]))
  const queue = [...new Set(keys.values())]
  const hashes = new Map<string, string>()
  const onCore = async (core: number): Promise<void> => {
    for (let key = queue.pop(); key !== undefined; key = queue.pop())
      hashes.set(key, await train(JSON.parse(key) as Record<string, unknown>, core))
  }
  await Promise.all(allowedCores().map(onCore))
  return new Map([...keys].map(([directory, key]) => [directory, hashes.get(key) ?? '']))
}

/** The spec without what has no part in the arithmetic: who it is, its devices, its place in the queue, its retries. */
function trainingOf(directory: string): Record<string, unknown> {
  const spec = parseRunSpec(JSON.parse(readFileSync(specFile(directory), 'utf8')))
  const { runId: _id, name: _name, devices: _devices, priority: _priority, retry: _retry, ...training } = spec
  return training
}

/** On one device, whatever the run had: their number does not change the answer. */
async function train(spec: Record<string, unknown>, core: number): Promise<string> {
  const events = await runTrainer({ spec, devices: [[core]], dataRoots: [] })
  const last = events.findLast((event) => event.type === 'checkpoint')
  if (last === undefined) throw new BenchError('The undisturbed run wrote no checkpoint.')
  return last.sha256
}
