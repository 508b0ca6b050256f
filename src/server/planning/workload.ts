// What a run has to compute, told from its spec and its dataset, or from what was kept with it: pure arithmetic.
import type { DatasetInfo } from '../../shared/datasets.ts'
import type { Precision } from '../../shared/recipe.ts'
import { type ImageShape, stepsPerEpoch } from '../../shared/run-plan.ts'
import { type Architecture, type EngineChoice, type RunSpec, sessionShards } from '../../shared/run-spec.ts'
import { estimateMemory } from '../../trainer/models/memory.ts'
import { parameterCount } from '../../trainer/models/parameters.ts'
import { resnet } from '../../trainer/models/resnet.ts'
import { summarise } from '../../trainer/models/summary.ts'
import type { RunRecord } from '../runs/run.record.ts'

export interface Workload {
  architecture: Architecture
  dataset: string
  /** Null where the size of the images is known only once they are opened. */
  image: ImageShape | null
  /** Of one training step on one image; null without a size. */
  flopsPerImage: number | null
  precision: Precision
  engineChoice: EngineChoice
  globalBatch: number
  /** Of a step: those of its accumulation together. */
  shards: number
  syncBatchNorm: boolean
  epochs: number
  stepsPerEpoch: number
  validationImages: number
}

/** The size of the model behind a workload, and how to tell the memory that it takes. */
export interface ModelSize {
  parameters: number
  flopsPerImage: number | null
  /** Null where nobody can tell: without a size of images, and for the TensorFlow.js engine. */
  memoryBytes(devices: number): { each: number; total: number } | null
}

export function workloadOf(spec: RunSpec, dataset: DatasetInfo, { flopsPerImage }: ModelSize): Workload {
  return {
    ...askedOf(spec),
    image: imageOf(spec, dataset),
    flopsPerImage,
    stepsPerEpoch: stepsPerEpoch(spec, dataset),
    validationImages: spec.validationImages ?? dataset.validationImages,
  }
}

type KeptRun = Pick<RunRecord, 'spec' | 'plan' | 'stepsPerEpoch'>

/** Null for a run with which no plan is kept. */
export function findWorkload({ spec, plan, stepsPerEpoch: told }: KeptRun): Workload | null {
  if (plan === null) return null
  const { image, flopsPerImage, validationImages } = plan
  // Images that cannot be decoded are left out, which the trainer alone sees.
  const steps = told === 0 ? plan.stepsPerEpoch : told
  return { ...askedOf(spec), image, flopsPerImage, validationImages, stepsPerEpoch: steps }
}

function askedOf(spec: RunSpec) {
  const { dataset, precision, engine, globalBatch, syncBatchNorm, epochs, model } = spec
  const asked = { dataset, precision, engineChoice: engine, globalBatch, syncBatchNorm, epochs }
  return { ...asked, architecture: model.architecture, shards: sessionShards(spec) }
}

function imageOf({ imageSize }: RunSpec, { channels, ...own }: DatasetInfo): ImageShape | null {
  const { height, width } = imageSize ?? own
  return height === null || width === null ? null : { channels, height, width }
}

/** Parameters do not depend on the size of the images, as long as there is one. */
const anySize = { height: 32, width: 32 }

export function modelSize(spec: RunSpec, dataset: DatasetInfo): ModelSize {
  const { architecture } = spec.model
  const image = imageOf(spec, dataset)
  const input = image ?? { channels: dataset.channels, ...anySize }
  const graph = resnet({ architecture, input, classes: dataset.classes.length })
  const { optimizer, precision, globalBatch, syncBatchNorm, clipNorm } = spec
  return {
    parameters: parameterCount(graph),
    flopsPerImage: image === null ? null : summarise(graph).trainingFlops,
    memoryBytes(devices) {
      if (image === null || spec.engine === 'TFJS') return null
      const sharding = { globalBatch, shards: sessionShards(spec), devices, syncBatchNorm }
      const memory = estimateMemory({ graph, ...sharding, optimizer, precision, clipped: clipNorm !== null })
      return { each: memory.replicaBytes, total: memory.totalBytes }
    },
  }
}
