// The weights before the first step of a run that does not begin at random: those of a checkpoint, whole or with named
// layers fresh, and the optimiser's state where that is asked for.
import { invalidInput, TrainqlError } from '../shared/errors.ts'
import { isOf } from '../shared/layer-name.ts'
import type { LoadReport } from '../shared/load-report.ts'
import type { InitialiseSpec, RunSpec } from '../shared/run-spec.ts'
import { LoadRefused } from './checkpoints/load-refused.ts'
import { readOptimizer } from './checkpoints/loading/optimizer.ts'
import { planLoad, type LoadPlan } from './checkpoints/loading/plan.ts'
import { findProblems } from './checkpoints/loading/problems.ts'
import { hashSource, openSource, type OpenedSource } from './checkpoints/loading/source.ts'
import { plannedTensors } from './checkpoints/loading/values.ts'
import type { HostTensor, OptimizerState, StateDict } from './engine.ts'
import { initialState } from './initialise.ts'
import type { ModelGraph } from './models/graph.ts'
import { optimizerSlots, stateEntries } from './models/parameters.ts'

export interface InitialWeights {
  /** As the spec names it. */
  checkpoint: string
  report: LoadReport
  state: StateDict
  optimizerState: OptimizerState | null
}

export interface InitialWeightsRequest {
  spec: RunSpec
  graph: ModelGraph
  /** Where the checkpoint lies that the spec names. */
  folder: string | null
}

type FromCheckpoint = Extract<InitialiseSpec, { kind: 'CHECKPOINT' }>

/**
 * @returns null where the run begins at random.
 * @throws TrainqlError `CHECKPOINT_INVALID` where the checkpoint does not fill the model, or is not the one that was meant
 * (a `LoadRefused` with the report, where it comes so far); `INVALID_INPUT` where a layer to reinitialise is none.
 */
export async function openInitialWeights({
  spec,
  graph,
  folder,
}: InitialWeightsRequest): Promise<InitialWeights | null> {
  const { initialise } = spec
  if (initialise.kind === 'RANDOM') return null
  checkLayers(initialise, graph)
  if (folder === null) {
    throw new TrainqlError({
      code: 'RUN_DIRECTORY_INVALID',
      message: `Expected the attempt to say where ${initialise.checkpoint} lies; it does not.`,
      fix: 'Create the run again.',
    })
  }
  const opened = await openSource(folder)
  try {
    await checkHash(opened, initialise)
    const target = {
      architecture: spec.model.architecture,
      classes: graph.classes,
      inputChannels: graph.input.channels,
    }
    const { reinitialise, stem } = initialise
    const plan = planLoad(opened.source, target, { reinitialise, stem })
    // What is adapted or reinitialised is no longer a matter of classes or channels.
    const meant = { ...target, ...adapted(plan) }
    const [problem] = findProblems(plan, { target: meant, allowPartial: false }).filter(({ blocks }) => blocks)
    if (problem !== undefined) throw refused(initialise, problem, plan)
    return {
      checkpoint: initialise.checkpoint,
      report: plan.report,
      state: await readState(opened, plan, { spec, graph, initialise }),
      optimizerState: initialise.optimizer ? await readOptimizerState(opened, plan, { spec, graph, initialise }) : null,
    }
  } finally {
    await opened.close()
  }
}

interface Model {
  spec: RunSpec
  graph: ModelGraph
  initialise: FromCheckpoint
}

function checkLayers({ reinitialise }: FromCheckpoint, graph: ModelGraph): void {
  const names = stateEntries(graph).map(({ name }) => name)
  const unknown = reinitialise.find((layer) => !names.some((name) => isOf(name, layer)))
  if (unknown === undefined) return
  throw invalidInput({
    field: 'initialise.reinitialise',
    message: `Expected layers of the model, such as "conv1", "layer4" or "fc"; it has no "${unknown}".`,
    fix: 'Name layers as torchvision does.',
  })
}

async function checkHash(opened: OpenedSource, { checkpoint, sha256 }: FromCheckpoint): Promise<void> {
  const found = await hashSource(opened)
  if (found === sha256) return
  throw new TrainqlError({
    code: 'CHECKPOINT_INVALID',
    message: `Cannot begin with ${checkpoint}: expected weights with sha-256 ${sha256}; found ${found}.`,
    fix: 'Create the run again with the checkpoint as it is now.',
  })
}

/** Null for what need not agree. */
function adapted({ report }: LoadPlan): { classes?: null; inputChannels?: null } {
  const fresh = (name: string): boolean => report.reinitialised.includes(name)
  return {
    ...(fresh('fc.weight') && fresh('fc.bias') ? { classes: null } : {}),
    ...(fresh('conv1.weight') || report.adapted.includes('conv1.weight') ? { inputChannels: null } : {}),
  }
}

function refused(
  { checkpoint }: FromCheckpoint,
  { message, fix }: { message: string; fix: string },
  { report }: LoadPlan,
): LoadRefused {
  return new LoadRefused({ message: `Cannot begin with ${checkpoint}: ${message}`, fix }, report)
}

/** In the model's order. */
async function readState(opened: OpenedSource, plan: LoadPlan, { spec, graph, initialise }: Model): Promise<StateDict> {
  const { report, sources } = plan
  const fresh = initialState(graph, spec.seed, (name) => report.reinitialised.includes(name))
  const tensors = plannedTensors(plan, opened, {
    onNonFinite: (name) => {
      const message = `Expected finite weights; "${name}" holds a NaN or an infinity.`
      throw refused(initialise, { message, fix: 'Use an earlier checkpoint.' }, plan)
    },
  })
  const state: StateDict = new Map()
  for (const { name, shape } of stateEntries(graph)) {
    const tensor = tensors.get(name)
    if (tensor === undefined) {
      const drawn = fresh.get(name)
      if (drawn !== undefined) state.set(name, drawn)
    } else {
      const data = 'data' in tensor ? tensor.data : await tensor.read()
      const found = opened.weights.get(sources.get(name) ?? '')?.shape ?? shape
      state.set(name, report.adapted.includes(name) ? sumChannels({ shape: found, data }) : { shape, data })
    }
  }
  return state
}

/** (O, C, kH, kW) to (O, 1, kH, kW): what the stem makes of an image whose channels are all the same. */
function sumChannels({ shape: [out = 1, channels = 1, height = 1, width = 1], data }: HostTensor): HostTensor {
  const taps = height * width
  const summed = Float32Array.from({ length: out * taps }, (_, index) => {
    const filter = Math.floor(index / taps) * channels * taps + (index % taps)
    let sum = 0
    for (let channel = 0; channel < channels; channel += 1) sum += data[filter + channel * taps] ?? NaN
    return sum
  })
  return { shape: [out, 1, height, width], data: summed }
}

async function readOptimizerState(
  opened: OpenedSource,
  plan: LoadPlan,
  { spec, graph, initialise }: Model,
): Promise<OptimizerState> {
  const fail = (message: string): LoadRefused =>
    refused(
      initialise,
      { message, fix: 'Begin with the weights alone, or use the optimiser it was trained with.' },
      plan,
    )
  const reading = await readOptimizer(opened, { graph, prefix: plan.report.strippedPrefix })
  if (reading.kind === 'NONE') throw fail('Expected the state of an optimiser; it has none.')
  if (reading.kind === 'DECLINED') throw fail(`Expected the state of its optimiser; ${reading.why}.`)
  // Adam and AdamW keep the same; a file of before PyTorch 2.7 does not even say which of them it was.
  const slots = optimizerSlots(spec.optimizer)
  const missing = slots.find((slot) => !reading.source.has(`${slot}.fc.weight`))
  if (missing !== undefined) {
    throw fail(
      `Expected the state of ${spec.optimizer.kind}, with ${missing}; it has that of ${reading.optimizer.kind}.`,
    )
  }
  const tensors: StateDict = new Map()
  for (const [key, tensor] of reading.source) {
    tensors.set(key, { shape: tensor.shape, data: 'data' in tensor ? tensor.data : await tensor.read() })
  }
  return { step: reading.optimizer.step, tensors }
}
