// The parity cases that PyTorch and our engines both compute, and how an engine computes one.
import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { architectures } from '../../../src/shared/run-spec.ts'
import type { Engine, SessionSpec, StateDict } from '../../../src/trainer/engine.ts'
import { resnet } from '../../../src/trainer/models/resnet.ts'
import { cpuDevices, optimizerOf } from '../harness.ts'
import { generateBatch, generateState } from '../generate.ts'

const caseSchema = z.strictObject({
  name: z.string(),
  architecture: z.enum(architectures),
  input: z.strictObject({ channels: z.number(), height: z.number(), width: z.number() }),
  classes: z.number(),
  globalBatch: z.number(),
  shards: z.number(),
  learningRate: z.number(),
  /** Seed of the weights and the batch of the first-step comparison: see `reference.py margins`. */
  firstStepSeed: z.number(),
  /** Seeds of the comparisons over `steps` steps. */
  seeds: z.array(z.number()),
})
const specSchema = z.strictObject({
  steps: z.number(),
  momentum: z.number(),
  weightDecay: z.number(),
  cases: z.array(caseSchema),
})
export type ParityCase = z.output<typeof caseSchema>

export const parity = specSchema.parse(JSON.parse(readFileSync(new URL('cases.json', import.meta.url), 'utf8')))

export function graphOf({ architecture, input, classes }: ParityCase) {
  return resnet({ architecture, input, classes })
}

/** What a session may do otherwise than the case says without another result. */
type Otherwise = Pick<SessionSpec, 'syncBatchNorm'> & Partial<Pick<SessionSpec, 'shards'>>

async function openedSession(engine: Engine, parityCase: ParityCase, seed: number, otherwise: Otherwise = {}) {
  const graph = graphOf(parityCase)
  const { momentum, weightDecay } = parity
  const session = await engine.open({
    graph,
    globalBatch: parityCase.globalBatch,
    shards: parityCase.shards,
    devices: cpuDevices(1),
    optimizer: optimizerOf({ kind: 'SGD', momentum, weightDecay }),
    ...otherwise,
  })
  await session.writeState(generateState(graph, seed))
  return { graph, session }
}

export interface FirstStep {
  loss: number
  gradients: StateDict
  /** State after the step: of it the running statistics are compared. */
  state: StateDict
}

export async function computeFirstStep(
  engine: Engine,
  parityCase: ParityCase,
  otherwise?: Otherwise,
): Promise<FirstStep> {
  const seed = parityCase.firstStepSeed
  const { graph, session } = await openedSession(engine, parityCase, seed, otherwise)
  try {
    const batch = generateBatch(graph, parityCase.globalBatch, { seed, step: 0 })
    const { loss, gradients } = await session.gradients(batch)
    await session.step(batch, parityCase.learningRate)
    return { loss, gradients, state: await session.readState() }
  } finally {
    await session.close()
  }
}

/** Losses of all steps and the state at the end. */
export async function computeSteps(
  engine: Engine,
  parityCase: ParityCase,
  seed: number,
): Promise<{ losses: number[]; state: StateDict }> {
  const { graph, session } = await openedSession(engine, parityCase, seed)
  try {
    const losses: number[] = []
    for (let step = 0; step < parity.steps; step += 1) {
      const batch = generateBatch(graph, parityCase.globalBatch, { seed, step })
      losses.push((await session.step(batch, parityCase.learningRate)).loss)
    }
    return { losses, state: await session.readState() }
  } finally {
    await session.close()
  }
}

/** Mean over the steps of |loss - loss in float64|. */
export function lossDistance(losses: readonly number[], losses64: readonly number[]): number {
  return losses64.reduce((sum, loss, step) => sum + Math.abs((losses[step] ?? NaN) - loss), 0) / losses64.length
}

export const bounds = {
  /** Of the first-step loss, absolute, from float64. */
  loss: 1e-5,
  /** Of each first-step gradient, relative to its norm, from float64. */
  gradient: 1e-4,
  /** Of each running mean and variance after one step, relative to its norm. */
  statistics: 1e-5,
  /** Our distance from float64 over PyTorch's own in float32, median over the seeds: a training run is chaotic. */
  ratio: 2,
} as const
