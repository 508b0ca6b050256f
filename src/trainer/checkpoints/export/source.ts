// What is exported: a model and its weights, wherever they come from, with what is known of them.
import { statSync } from 'node:fs'
import { optimizerSchema, scheduleSchema, type OptimizerSpec } from '../../../shared/recipe.ts'
import type { OptimizerState, StateDict } from '../../engine.ts'
import { checkState } from '../../engines/session-spec.ts'
import type { ModelGraph } from '../../models/graph.ts'
import { stateEntries } from '../../models/parameters.ts'
import { resnet } from '../../models/resnet.ts'
import { learningRateAt } from '../../schedule.ts'
import { loadCheckpoint, loadWeights } from '../load.ts'
import { acceptedPlan, finiteTensors, openForLoading } from '../loading/accept.ts'
import { readOptimizer, type OptimizerContext } from '../loading/optimizer.ts'
import type { OpenedSource } from '../loading/source.ts'
import type { Manifest } from '../manifest.ts'
import { tensorOf, type TensorSource } from '../state-dict.ts'

export interface ExportSource {
  /** Of any height and width: every format leaves them free. */
  graph: ModelGraph
  /** In the model's order, as PyTorch's modules have it. */
  state: StateDict
  optimizer: ExportedOptimizer | { missing: string }
  /** What it was trained on, where that is known. */
  data: Manifest['data']
  origin: {
    run: string | null
    epoch: number | null
    step: number | null
    /** As `best_acc1`: of a checkpoint of ours its accuracy in per cent, of another file what it says. */
    accuracy: number | null
  }
}

export interface ExportedOptimizer {
  settings: OptimizerSpec
  /** Of the step that comes next. */
  learningRate: number
  state: OptimizerState
}

/**
 * @param file a checkpoint folder, or any file that can be imported.
 * @param withOptimizer also read the optimiser's state, which takes as much again and more.
 * @throws LoadRefused, TrainqlError `CHECKPOINT_INVALID`, `NOT_FOUND`
 */
export async function openExportSource(file: string, withOptimizer: boolean): Promise<ExportSource> {
  const isFolder = statSync(file, { throwIfNoEntry: false })?.isDirectory() === true
  return isFolder ? ofFolder(file, withOptimizer) : ofFile(file, withOptimizer)
}

async function ofFolder(folder: string, withOptimizer: boolean): Promise<ExportSource> {
  const { manifest, state, optimizerState } = withOptimizer
    ? await loadCheckpoint(folder)
    : { ...(await loadWeights(folder)), optimizerState: null }
  const { architecture, classes, input } = manifest.model
  const graph = resnet({ architecture, classes, input: { channels: input.channels, height: 224, width: 224 } })
  const { runId: run, epoch, step, metrics } = manifest
  return {
    graph,
    state: inOrder(graph, state),
    optimizer: optimizerState === null ? { missing: 'this one has none' } : exportedOptimizer(manifest, optimizerState),
    data: manifest.data,
    origin: { run, epoch, step, accuracy: typeof metrics?.accuracy === 'number' ? 100 * metrics.accuracy : null },
  }
}

async function ofFile(file: string, withOptimizer: boolean): Promise<ExportSource> {
  const opened = await openForLoading(file)
  try {
    const target = { architecture: null, classes: null, inputChannels: null }
    const plan = acceptedPlan(opened, { target, allowPartial: false })
    const { graph, report } = plan
    const state = await readTensors(finiteTensors(plan, opened))
    const optimizer = withOptimizer
      ? await optimizerOf(opened, { graph, prefix: report.strippedPrefix })
      : { missing: 'it was not read' }
    const { epoch, step, bestAccuracy } = opened.facts
    return {
      ...{ graph, state: inOrder(graph, state), optimizer, data: null },
      origin: { run: null, epoch, step, accuracy: bestAccuracy },
    }
  } finally {
    await opened.close()
  }
}

async function optimizerOf(opened: OpenedSource, context: OptimizerContext): Promise<ExportSource['optimizer']> {
  const reading = await readOptimizer(opened, context)
  switch (reading.kind) {
    case 'NONE':
      return { missing: 'this one has none' }
    case 'DECLINED':
      return { missing: `that of this one cannot be taken over: ${reading.why}` }
    case 'FOUND': {
      const { step, learningRate, ...settings }: Record<string, unknown> = reading.optimizer
      const tensors = await readTensors(reading.source)
      const state = { step: Number(step), tensors }
      return { settings: optimizerSchema.parse(settings), learningRate: Number(learningRate), state }
    }
    default:
      return reading satisfies never
  }
}

async function readTensors(source: TensorSource): Promise<StateDict> {
  const state: StateDict = new Map()
  for (const [name, tensor] of source)
    state.set(name, 'data' in tensor ? tensor : { shape: tensor.shape, data: await tensor.read() })
  return state
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
  if (origin.epoch !== null) facts['epoch'] = String(origin.epoch)
  if (origin.step !== null) facts['step'] = String(origin.step)
  return facts
}
