// What a run computes with, set up alike for training and for proving it: the session with its state, the batches, the
// learning rate, and where it begins.
import { checkAugmentationSize } from '../shared/augmentation.ts'
import { checkWarmUp } from '../shared/recipe.ts'
import { sessionShards, type Attempt, type RunSpec } from '../shared/run-spec.ts'
import type { ResumableCheckpoint } from './checkpoints/load.ts'
import type { Dataset } from './datasets/dataset.ts'
import type { Engine, Session } from './engine.ts'
import { openInitialWeights, type InitialWeights } from './initial-weights.ts'
import { initialState } from './initialise.ts'
import type { ReplicaRows } from './replica-progress.ts'
import { createBatches, type Batches } from './input/batches.ts'
import type { ModelGraph } from './models/graph.ts'
import { resnet } from './models/resnet.ts'
import { resumePosition, type SamplerPosition } from './resume.ts'
import { learningRateAt } from './schedule.ts'

export interface TrainingRequest {
  spec: RunSpec
  devices: Attempt['devices']
  dataset: Dataset
  engine: Engine
  /** The checkpoint to go on from; null = from initial weights. */
  resume: ResumableCheckpoint | null
  /** Where the checkpoint lies that the spec says to begin with. */
  initialFrom: string | null
  /** Where the session tells of its replicas' progress. Default: nobody looks. */
  progressRows?: ReplicaRows
}

export interface Training {
  graph: ModelGraph
  session: Session
  batches: Batches
  totalSteps: number
  start: SamplerPosition
  /** Where the first weights are a checkpoint's: which, and what was taken of it. Null at random, and where it goes on. */
  initialised: Pick<InitialWeights, 'checkpoint' | 'report'> | null
  /** Learning rate of a global step, from 1. */
  rateAt: (step: number) => number
  close(): Promise<void>
}

/**
 * Nothing is held where it throws.
 * @throws TrainqlError `INVALID_INPUT`; `CHECKPOINT_INVALID` where the checkpoint is not this run's, or the one to begin
 * with does not fill the model; what the engine throws.
 */
export async function openTraining(request: TrainingRequest): Promise<Training> {
  const { spec, devices, dataset, engine, resume, initialFrom } = request
  const batches = createBatches(dataset, spec)
  const { stepsPerEpoch } = batches
  const totalSteps = spec.epochs * stepsPerEpoch
  checkWarmUp(spec.schedule, totalSteps)
  checkAugmentationSize(spec.augmentation, dataset.shape)
  const graph = resnet({ ...spec.model, input: dataset.shape, classes: dataset.classes.length })
  const start =
    resume === null
      ? { epoch: 1, step: 0, lossSum: 0 }
      : resumePosition(resume.manifest, { spec, graph, stepsPerEpoch, dataset })

  const initial = resume === null ? await openInitialWeights({ spec, graph, folder: initialFrom }) : null

  const session = await engine.open({
    graph,
    globalBatch: spec.globalBatch,
    shards: sessionShards(spec),
    devices,
    optimizer: spec.optimizer,
    precision: spec.precision,
    syncBatchNorm: spec.syncBatchNorm,
    labelSmoothing: spec.labelSmoothing,
    clipNorm: spec.clipNorm,
    ...(request.progressRows === undefined ? {} : { progress: request.progressRows }),
  })
  try {
    const from = resume ?? initial
    await session.writeState(from?.state ?? initialState(graph, spec.seed))
    if (from !== null && from.optimizerState !== null) await session.writeOptimizerState(from.optimizerState)
  } catch (error) {
    await session.close()
    throw error
  }
  return {
    graph,
    session,
    batches,
    totalSteps,
    start,
    initialised: initial === null ? null : { checkpoint: initial.checkpoint, report: initial.report },
    rateAt: (step) => learningRateAt(spec, { step, stepsPerEpoch, totalSteps }),
    async close() {
      batches.close()
      await session.close()
    },
  }
}
