// The native engine: C++ kernels behind Node-API.
import { TrainqlError } from '../../shared/errors.ts'
import type { OptimizerSpec, Precision } from '../../shared/run-spec.ts'
import { findAddonProblem, loadAddon } from '../addon.ts'
import type {
  Batch,
  Engine,
  EvaluationResult,
  OptimizerState,
  Session,
  SessionSpec,
  StateDict,
  StepProfile,
  StepResult,
} from '../engine.ts'
import type { ModelGraph } from '../models/graph.ts'
import { createReplicaRows, type ReplicaRows } from '../replica-progress.ts'
import { elementCount, optimizerSlots, parameterEntries, stateEntries, type StateEntry } from '../models/parameters.ts'
import type { KernelTable } from './kernel-table.ts'
import {
  checkBatch,
  checkEvaluationCount,
  checkImages,
  checkOptimizerState,
  checkRepetitions,
  checkSessionSpec,
  checkState,
  imageSize,
} from './session-spec.ts'

interface EngineAddon extends KernelTable {
  Session: new (spec: AddonSpec) => AddonSession
}

interface AddonSpec {
  graph: ModelGraph
  globalBatch: number
  shards: number
  deviceCores: readonly (readonly number[])[]
  optimizer: OptimizerSpec
  precision: Precision
  syncBatchNorm: boolean
  labelSmoothing: number
  /** 0: no limit. */
  clipNorm: number
  progress: ReplicaRows
}

interface AddonSession {
  step(images: Float32Array, labels: Int32Array, learningRate: number): Promise<number>
  /** Fills `tensors`, one for each parameter. */
  gradients(images: Float32Array, labels: Int32Array, tensors: Float32Array[]): Promise<number>
  evaluate(images: Float32Array, labels: Int32Array): Promise<Omit<EvaluationResult, 'images'>>
  predict(images: Float32Array): Promise<Float32Array>
  profile(images: Float32Array, labels: Int32Array, repetitions: number): Promise<StepProfile>
  /** Fills `tensors`, one for each of the state dict. */
  readState(tensors: Float32Array[]): Promise<void>
  writeState(tensors: Float32Array[]): Promise<void>
  /** Fills `slots`, in each one tensor for each parameter; resolves with the step. */
  readOptimizer(slots: Float32Array[][]): Promise<number>
  writeOptimizer(step: number, slots: Float32Array[][]): Promise<void>
  memoryBytes(): number
  close(): void
}

export interface NativeProbe {
  available: boolean
  /** Instruction set and kernel table, or why it is not available. */
  detail: string
  precisions: Precision[]
}

/** Whether the addon is built and loads here, and what it computes in; never throws. */
export function probeNativeEngine(): NativeProbe {
  const problem = findAddonProblem()
  if (problem !== null) return unavailable(problem)
  try {
    const addon = engineAddon()
    const precisions: Precision[] = addon.supportsBf16() ? ['FP32', 'BF16'] : ['FP32']
    return { available: true, detail: describe(addon, 'FP32'), precisions }
  } catch (error) {
    return unavailable(error instanceof Error ? error.message : String(error))
  }
}

function unavailable(detail: string): NativeProbe {
  return { available: false, detail, precisions: [] }
}

/** Bits depend on both: the instruction set, and which algorithm each convolution gets. */
function describe(addon: EngineAddon, precision: Precision): string {
  // Where the precision is refused, no kernels are its own.
  const kernels = addon.kernelsName(precision === 'BF16' && !addon.supportsBf16() ? 'FP32' : precision)
  return `${kernels}, kernel table ${addon.kernelTableVersion()}`
}

/** @throws TrainqlError `ENGINE_UNAVAILABLE` */
function probeAvailable() {
  const probe = probeNativeEngine()
  if (probe.available) return probe
  throw new TrainqlError({
    code: 'ENGINE_UNAVAILABLE',
    message: `The native engine cannot run here: ${probe.detail}.`,
    fix: 'Run `npm run setup` to build it, or choose the engine TFJS.',
  })
}

/**
 * For the tuning command and tests.
 * @throws TrainqlError `ENGINE_UNAVAILABLE`
 */
export function openKernelTable(): KernelTable {
  probeAvailable()
  return engineAddon()
}

/**
 * @param precision what its sessions compute in, for its detail
 * @throws TrainqlError `ENGINE_UNAVAILABLE`
 */
export function openNativeEngine(precision: Precision = 'FP32'): Promise<Engine> {
  probeAvailable()
  return Promise.resolve({
    name: 'native',
    detail: describe(engineAddon(), precision),
    // What is refused rejects; it never throws at the caller.
    open: (spec) => Promise.resolve().then(() => openSession(spec)),
  })
}

function engineAddon(): EngineAddon {
  return loadAddon() as EngineAddon
}

function openSession(spec: SessionSpec): Promise<Session> {
  checkSessionSpec(spec)
  const { precision = 'FP32', syncBatchNorm = false, labelSmoothing = 0, clipNorm = null } = spec
  checkPrecision(precision)
  const deviceCores = spec.devices.map((device) => {
    if (device.kind === 'CPU') return device.cores
    throw new TrainqlError({
      code: 'ENGINE_UNAVAILABLE',
      message: `The native engine serves CPU devices; got ${device.name}.`,
      fix: 'Ask for CPU devices, or choose the engine TFJS with @tensorflow/tfjs-node-gpu installed.',
    })
  })
  try {
    const { graph, globalBatch, shards, optimizer } = spec
    const addonSession = new (engineAddon().Session)({
      graph,
      globalBatch,
      shards,
      deviceCores,
      optimizer,
      precision,
      syncBatchNorm,
      labelSmoothing,
      clipNorm: clipNorm ?? 0,
      progress: spec.progress ?? createReplicaRows(deviceCores.length),
    })
    return Promise.resolve(new NativeSession(spec, addonSession))
  } catch (error) {
    throw asTyped(error, spec)
  }
}

function checkPrecision(precision: Precision): void {
  const { precisions, detail } = probeNativeEngine()
  if (precisions.includes(precision)) return
  throw new TrainqlError({
    code: 'ENGINE_UNAVAILABLE',
    field: 'precision',
    message: `The native engine (${detail}) computes in ${precisions.join(', ')} here; got precision ${precision}.`,
    fix: 'Use precision FP32, or a processor with bfloat16 instructions (avx512_bf16).',
  })
}

class NativeSession implements Session {
  readonly queues = true
  private session: AddonSession | undefined
  private readonly graph: ModelGraph
  private readonly spec: SessionSpec
  private readonly entries: StateEntry[]
  private readonly parameters: StateEntry[]

  constructor(spec: SessionSpec, session: AddonSession) {
    this.session = session
    this.spec = spec
    this.graph = spec.graph
    this.entries = stateEntries(spec.graph)
    this.parameters = parameterEntries(spec.graph)
  }

  get memoryBytes(): number {
    return this.session?.memoryBytes() ?? 0
  }

  async step(batch: Batch, learningRate: number): Promise<StepResult> {
    checkBatch(this.graph, batch, this.spec.globalBatch)
    return { loss: await this.open().step(batch.images, batch.labels, learningRate) }
  }

  async gradients(batch: Batch): Promise<{ loss: number; gradients: StateDict }> {
    checkBatch(this.graph, batch, this.spec.globalBatch)
    const gradients = zeros(this.parameters)
    return {
      loss: await this.open().gradients(batch.images, batch.labels, dataOf(gradients, this.parameters)),
      gradients,
    }
  }

  async evaluate(batch: Batch): Promise<EvaluationResult> {
    const images = batch.labels.length
    checkEvaluationCount(images, this.spec.globalBatch)
    checkBatch(this.graph, batch, images)
    return { images, ...(await this.open().evaluate(batch.images, batch.labels)) }
  }

  async predict(images: Float32Array): Promise<Float32Array> {
    const count = images.length / imageSize(this.graph)
    checkEvaluationCount(count, this.spec.globalBatch)
    checkImages(this.graph, images, count)
    return this.open().predict(images)
  }

  async profile(batch: Batch, repetitions: number): Promise<StepProfile> {
    checkBatch(this.graph, batch, this.spec.globalBatch)
    checkRepetitions(repetitions)
    return this.open().profile(batch.images, batch.labels, repetitions)
  }

  async readState(): Promise<StateDict> {
    const state = zeros(this.entries)
    await this.open().readState(dataOf(state, this.entries))
    return state
  }

  async writeState(state: StateDict): Promise<void> {
    checkState(this.graph, state)
    await this.open().writeState(dataOf(state, this.entries))
  }

  async readOptimizerState(): Promise<OptimizerState> {
    const slots = this.optimizerEntries()
    const tensors = zeros(slots.flat())
    return { step: await this.open().readOptimizer(slots.map((entries) => dataOf(tensors, entries))), tensors }
  }

  async writeOptimizerState(state: OptimizerState): Promise<void> {
    checkOptimizerState(this.graph, this.spec.optimizer, state)
    const slots = this.optimizerEntries().map((entries) => dataOf(state.tensors, entries))
    await this.open().writeOptimizer(state.step, slots)
  }

  close(): Promise<void> {
    this.session?.close()
    this.session = undefined
    return Promise.resolve()
  }

  /** Of each slot, in the order of the addon. */
  private optimizerEntries(): NamedShape[][] {
    return optimizerSlots(this.spec.optimizer).map((slot) =>
      this.parameters.map(({ name, shape }) => ({ name: `${slot}.${name}`, shape })),
    )
  }

  private open(): AddonSession {
    if (this.session !== undefined) return this.session
    throw new TrainqlError({ code: 'CONFLICT', message: 'The session is closed.', fix: 'Open another session.' })
  }
}

type NamedShape = Pick<StateEntry, 'name' | 'shape'>

function zeros(entries: readonly NamedShape[]): StateDict {
  return new Map(entries.map(({ name, shape }) => [name, { shape, data: new Float32Array(elementCount(shape)) }]))
}

/** The values themselves, not a copy: for a large model it would be the largest allocation there is. */
function dataOf(state: StateDict, entries: readonly NamedShape[]): Float32Array[] {
  return entries.map(({ name }) => state.get(name)?.data ?? new Float32Array())
}

function asTyped(error: unknown, { syncBatchNorm = false }: SessionSpec): unknown {
  if (!(error instanceof Error)) return error
  if (error.message.includes('bad_alloc')) {
    return new TrainqlError(
      {
        code: 'OUT_OF_MEMORY',
        message: 'The model and its activations do not fit into memory.',
        fix: `Use a smaller global batch${syncBatchNorm ? ', or leave out syncBatchNorm' : ' or more shards'}.`,
      },
      { cause: error },
    )
  }
  return new TrainqlError(
    {
      code: 'INVALID_INPUT',
      message: `The model cannot be planned: ${error.message}.`,
      fix: 'Change the model or the batch.',
    },
    { cause: error },
  )
}
