// What is exported: a model and its weights, wherever they come from, with what is known of them.
import { optimizerSchema, scheduleSchema, type OptimizerSpec } from '../../../shared/recipe.ts'
import type { OptimizerState, StateDict } from '../../engine.ts'
import { checkState } from '../../engines/session-spec.ts'
import type { ModelGraph } from '../../models/graph.ts'
import { stateEntries } from '../../models/parameters.ts'
import { resnet } from '../../models/resnet.ts'
import { learningRateAt } from '../../schedule.ts'
import { loadCheckpoint, loadWeights } from '../load.ts'
import type { Manifest } from '../manifest.ts'
import { tensorOf } from '../state-dict.ts'

export interface ExportSource {
  /** Of any height and width: every format leaves them free. */
  graph: ModelGraph
  /** In the model's order, as PyTorch's modules have it. */
  state: StateDict
  /** Null where there is none, or it was not asked for. */
  optimizer: ExportedOptimizer | null
  /** What it was trained on, where that is known. */
  data: Manifest['data']
  /** Where the training stood. */
  origin: { run: string | null; epoch: number; step: number; accuracy: number | null }
}

export interface ExportedOptimizer {
  settings: OptimizerSpec
  /** Of the step that comes next. */
  learningRate: number
  state: OptimizerState
}

/**
 * @param withOptimizer also read the optimiser's state, which takes as much again and more.
 * @throws TrainqlError `CHECKPOINT_INVALID`
 */
export async function openExportSource(file: string, withOptimizer: boolean): Promise<ExportSource> {
  const { manifest, state, optimizerState } = withOptimizer
    ? await loadCheckpoint(file)
    : { ...(await loadWeights(file)), optimizerState: null }
  const { architecture, classes, input } = manifest.model
  const graph = resnet({ architecture, classes, input: { channels: input.channels, height: 224, width: 224 } })
  return {
    graph,
    state: inOrder(graph, state),
    optimizer: optimizerState && exportedOptimizer(manifest, optimizerState),
    data: manifest.data,
    origin: {
      run: manifest.runId,
      epoch: manifest.epoch,
      step: manifest.step,
      accuracy: manifest.metrics?.accuracy ?? null,
    },
  }
}

/** @throws TrainqlError `CHECKPOINT_INVALID` where the weights are not the model's. */
function inOrder(graph: ModelGraph, state: StateDict): StateDict {
  checkState(graph, state)
  return new Map(stateEntries(graph).map(({ name }) => [name, tensorOf(state, name)]))
}

function exportedOptimizer({ optimizer, training, step }: Manifest, state: OptimizerState): ExportedOptimizer {
  const { step: _updates, learningRate, ...settings }: Record<string, unknown> = optimizer ?? {}
  return {
    settings: optimizerSchema.parse(settings),
    learningRate: training === null ? Number(learningRate) : nextLearningRate(training, step),
    state,
  }
}

/** At the end of a run, that of its last step. */
function nextLearningRate({ schedule, sampler }: NonNullable<Manifest['training']>, step: number): number {
  const { learningRate, totalSteps, ...settings } = schedule
  // The epochs that are over have all the steps but those of the one under way; in the first none is over yet.
  const stepsPerEpoch = sampler.epoch > 1 ? (step - sampler.step) / (sampler.epoch - 1) : totalSteps
  const position = { step: Math.min(step + 1, totalSteps), stepsPerEpoch, totalSteps }
  return learningRateAt({ schedule: scheduleSchema.parse(settings), learningRate }, position)
}

/** As text by name, for the places that file formats have for it; lists as JSON. Mean and deviation are of pixel / 255. */
export function factsOf({ graph, data, origin }: ExportSource): Record<string, string> {
  const facts: Record<string, string> = { architecture: graph.architecture }
  if (data !== null) {
    facts['dataset'] = data.dataset
    facts['class_names'] = JSON.stringify(data.classNames)
    facts['mean'] = JSON.stringify(data.normalisation.mean)
    facts['std'] = JSON.stringify(data.normalisation.deviation)
  }
  if (origin.run !== null) facts['run'] = origin.run
  facts['epoch'] = String(origin.epoch)
  facts['step'] = String(origin.step)
  return facts
}
