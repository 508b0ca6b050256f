// Our side of the `train` bench: the native engine on one task, driven over stdin like its peer.
//
// Takes the task as JSON in argv[2]; prints {ready} after the warm-up; answers {steps: n} with {seconds, loss} and
// {profile: n} with where the time of n further steps went; {audit: true} with what became of weights, running statistics
// and optimiser state. Ends with its input.
import { createHash } from 'node:crypto'
import { createInterface } from 'node:readline'
import { z } from 'zod'
import { isTrainqlError } from '../../src/shared/errors.ts'
import { precisions } from '../../src/shared/recipe.ts'
import { architectures } from '../../src/shared/run-spec.ts'
import type { Batch, Session } from '../../src/trainer/engine.ts'
import { backToBack } from '../../src/trainer/back-to-back.ts'
import { openEngine } from '../../src/trainer/engines/open.ts'
import { initialState } from '../../src/trainer/initialise.ts'
import type { ModelGraph } from '../../src/trainer/models/graph.ts'
import { parameterCount, parameterEntries } from '../../src/trainer/models/parameters.ts'
import { resnet } from '../../src/trainer/models/resnet.ts'
import { createRandom } from '../../src/trainer/random.ts'
import { peakMemoryBytes } from '../machine.ts'

const size = z.number().int().positive()
const taskSchema = z.object({
  architecture: z.enum(architectures),
  channels: size,
  size,
  classes: size,
  globalBatch: size,
  shards: size,
  precision: z.enum(precisions),
  /** One list of operating-system cores for each device. */
  devices: z.array(z.array(z.number().int().min(0)).min(1)).min(1),
  learningRate: z.number().positive(),
  momentum: z.number(),
  weightDecay: z.number().positive(),
  warmUpSteps: size,
})
type Task = z.output<typeof taskSchema>

const seed = 0

const requestSchema = z.union([
  z.object({ steps: size }),
  z.object({ profile: size }),
  z.object({ audit: z.literal(true) }),
])

async function main(): Promise<void> {
  const task = taskSchema.parse(JSON.parse(process.argv[2] ?? ''))
  const { architecture, channels, classes, globalBatch, shards, precision, momentum, weightDecay } = task
  const devices = task.devices.map((cores, index) => ({ kind: 'CPU' as const, name: `cpu:${index}`, cores }))
  const graph = resnet({ architecture, classes, input: { channels, height: task.size, width: task.size } })
  const engine = await openEngine('NATIVE', devices, precision)
  const importedBytes = peakMemoryBytes(process.pid)
  const optimizer = { kind: 'SGD' as const, momentum, nesterov: false, weightDecay, decayVectors: true }
  const session = await engine.open({ graph, globalBatch, shards, devices, optimizer, precision })
  await session.writeState(initialState(graph, seed))
  const batch = randomBatch(task)

  for (let step = 0; step < task.warmUpSteps; step += 1) await session.step(batch, task.learningRate)
  answer({
    ready: {
      engine: engine.name,
      detail: engine.detail,
      parameters: parameterCount(graph),
      sessionBytes: session.memoryBytes,
      importedBytes,
    },
  })
  for await (const line of createInterface({ input: process.stdin })) {
    const request = requestSchema.parse(JSON.parse(line))
    if ('audit' in request) answer(await audit(session, graph))
    else if ('profile' in request) answer({ profile: await session.profile?.(batch, request.profile) })
    else answer(await train(session, batch, { task, ...request }))
  }
  await session.close()
}

/** As the trainer's loop steps; the seconds of the steps add up to the time of all of them. */
async function train(session: Session, batch: Batch, { task, steps }: { task: Task; steps: number }) {
  const seconds: number[] = []
  let loss = Number.NaN
  const row = backToBack({
    ahead: session.queues,
    ask: () => session.step(batch, task.learningRate),
    follows: (step) => step + 1 < steps,
  })
  for await (const step of row) {
    loss = step.answer.loss
    seconds.push(step.seconds)
  }
  // JSON writes what is not finite as null.
  return { seconds, loss }
}

/**
 * Parameters that the training left as they began (weight decay alone moves every one that is not zero), and a
 * digest of the whole state. Asked for after memory was measured: it holds copies of every tensor.
 */
async function audit(session: Session, graph: ModelGraph): Promise<{ unchanged: string[]; sha256: string }> {
  const state = await session.readState()
  const initial = initialState(graph, seed)
  const unchanged = parameterEntries(graph)
    .map(({ name }) => name)
    .filter((name) => {
      const [now, then] = [state.get(name)?.data, initial.get(name)?.data]
      return now === undefined || now.every((value, index) => value === then?.[index])
    })
  const { step, tensors } = await session.readOptimizerState()
  const hash = createHash('sha256').update(`step ${step}\0`)
  for (const [name, { data }] of [...state, ...tensors]) {
    hash.update(`${name}\0`).update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
  }
  return { unchanged, sha256: hash.digest('hex') }
}

/** Standard normal images and any labels, the same in every worker of a task. */
function randomBatch({ globalBatch, channels, size: side, classes }: Task): Batch {
  const random = createRandom({ seed, stream: 'shapes', substream: 0 })
  const images = Float32Array.from({ length: globalBatch * channels * side * side }, () => random.normal())
  return { images, labels: Int32Array.from({ length: globalBatch }, () => random.below(classes)) }
}

function answer(message: unknown): void {
  process.stdout.write(`${JSON.stringify(message)}\n`)
}

try {
  await main()
} catch (error) {
  if (!isTrainqlError(error)) throw error
  process.stderr.write(`${error.message} ${error.fix}\n`)
  process.exitCode = 1
}
