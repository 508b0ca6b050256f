// Where a run goes on from a checkpoint, after checking that the checkpoint is one of this very run.
import { TrainqlError } from '../shared/errors.ts'
import type { RunSpec } from '../shared/run-spec.ts'
import type { ResumableManifest } from './checkpoints/manifest.ts'
import type { Dataset } from './datasets/dataset.ts'
import type { ModelGraph } from './models/graph.ts'
import { dependsOnLength } from './schedule.ts'

export interface ResumeContext {
  spec: RunSpec
  graph: ModelGraph
  stepsPerEpoch: number
  dataset: Pick<Dataset, 'name' | 'classes' | 'normalisation'>
}

export type SamplerPosition = Pick<ResumableManifest['training']['sampler'], 'epoch' | 'step' | 'lossSum'>

/**
 * Epoch, step within it and loss summed so far: with the spec they determine every later batch.
 * @throws TrainqlError `CHECKPOINT_INVALID` where run, model, images, optimiser, schedule, seed or position are not
 * this run's.
 */
export function resumePosition(
  manifest: ResumableManifest,
  { spec, graph, stepsPerEpoch, dataset }: ResumeContext,
): SamplerPosition {
  const { model, training } = manifest
  const { sampler } = training
  const { channels, height, width } = graph.input
  expectSame('run', { expected: spec.runId, found: manifest.runId })
  expectSame('architecture', { expected: spec.model.architecture, found: model.architecture })
  expectSame('number of classes', { expected: graph.classes, found: model.classes })
  expectSame('input (C x H x W)', {
    expected: [channels, height, width].join(' x '),
    found: [model.input.channels, model.input.height, model.input.width].join(' x '),
  })
  if (manifest.data !== null) expectSameImages(dataset, manifest.data)
  expectSettings('optimiser', { expected: spec.optimizer, found: manifest.optimizer })
  const schedule = { ...spec.schedule, learningRate: spec.learningRate }
  expectSettings('schedule', { expected: schedule, found: training.schedule })
  if (dependsOnLength(spec.schedule)) {
    expectSame('steps of the schedule', { expected: spec.epochs * stepsPerEpoch, found: training.schedule.totalSteps })
  }
  expectSame('seed', { expected: spec.seed, found: sampler.seed })
  if (sampler.step > stepsPerEpoch) {
    throw mismatch('step within the epoch', { expected: `at most ${stepsPerEpoch}`, found: sampler.step })
  }
  expectSame('global step', { expected: (sampler.epoch - 1) * stepsPerEpoch + sampler.step, found: manifest.step })
  return sampler
}

/** Mean and deviation are exact sums over every training image: they tell images that were changed meanwhile. */
function expectSameImages(dataset: ResumeContext['dataset'], found: NonNullable<ResumableManifest['data']>): void {
  expectSame('dataset', { expected: dataset.name, found: found.dataset })
  expectSame('classes', { expected: dataset.classes.join(', '), found: found.classNames.join(', ') })
  for (const figure of ['mean', 'deviation'] as const) {
    expectSame(`${figure} of the images' channels`, {
      expected: dataset.normalisation[figure].join(', '),
      found: found.normalisation[figure].join(', '),
    })
  }
}

type Setting = string | number | boolean

interface Comparison {
  expected: Setting
  found: Setting
}

interface Settings {
  expected: { kind: string } & Record<string, Setting>
  /** May hold more. */
  found: { kind: string } & Record<string, unknown>
}

/** The kind, then each setting. */
function expectSettings(what: string, { expected, found }: Settings): void {
  expectSame(what, { expected: expected.kind, found: found.kind })
  for (const [name, setting] of Object.entries(expected))
    if (found[name] !== setting)
      throw mismatch(`${what} ${name}`, { expected: setting, found: JSON.stringify(found[name] ?? null) })
}

function expectSame(what: string, { expected, found }: Comparison): void {
  if (expected !== found) throw mismatch(what, { expected, found })
}

function mismatch(what: string, { expected, found }: Comparison): TrainqlError {
  return new TrainqlError({
    code: 'CHECKPOINT_INVALID',
    message: `The checkpoint does not continue this run: expected ${what} ${expected}; found ${found}.`,
    fix: 'Continue from a checkpoint of this run, with its dataset unchanged.',
  })
}
