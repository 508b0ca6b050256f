// The Engine contract: what the training loop asks of whatever computes. One suite tests every engine by it.
import type { AssignedDevice, OptimizerSpec, Precision } from '../shared/run-spec.ts'
import type { ModelGraph } from './models/graph.ts'
import type { ReplicaRows } from './replica-progress.ts'

/** A named tensor on the host. Row-major; convolution weights (O, I, kH, kW). */
export interface HostTensor {
  shape: readonly number[]
  data: Float32Array
}

/**
 * Canonical state dict: torchvision names to fp32 tensors, in torchvision's order, parameters and running
 * statistics together. `num_batches_tracked` is a scalar (shape []), held as one float here and written as
 * int64 in files.
 */
export type StateDict = Map<string, HostTensor>

/**
 * Optimiser state: `step` (update count) and, per parameter, `momentum_buffer` (SGD), or `exp_avg` and
 * `exp_avg_sq` (Adam and AdamW), each keyed `${slot}.${parameter name}` and shaped as the parameter.
 */
export interface OptimizerState {
  step: number
  tensors: StateDict
}

export interface SessionSpec {
  graph: ModelGraph
  /** Images per optimiser step, over all devices. */
  globalBatch: number
  /** Power of two that divides globalBatch. */
  shards: number
  /** D devices, a power of two, at most `shards`; device d computes shards d*S/D … (d+1)*S/D - 1. */
  devices: readonly AssignedDevice[]
  optimizer: OptimizerSpec
  /** Of activations and convolutions; weights, statistics, loss and update are fp32. Default: FP32. */
  precision?: Precision
  /** Batch-norm statistics over the global batch, for which all shards are in memory at once. Default: over each shard. */
  syncBatchNorm?: boolean
  /**
   * Training targets are 1 - x at the label plus x / classes everywhere (Szegedy et al. 2016, arXiv:1512.00567), as in
   * torch.nn.CrossEntropyLoss. Evaluation never smooths. Default 0.
   */
  labelSmoothing?: number
  /** Before an update gradients are scaled by min(1, clipNorm / (norm of all of them + 1e-6)), as in
   * torch.nn.utils.clip_grad_norm_. Default: no limit. */
  clipNorm?: number | null
  /**
   * Rows for the devices, in their order, which the session keeps true whatever it does: a replica at work moves its
   * ticks on many times a step, one that waits for others says so. Default: nobody looks.
   */
  progress?: ReplicaRows
}

/** Images as fp32 (N, C, H, W), already normalised, and one class index each. */
export interface Batch {
  images: Float32Array
  labels: Int32Array
}

export interface StepResult {
  /** Mean (smoothed) cross-entropy over the global batch, before the update; NaN or infinite where it diverged. */
  loss: number
}

export interface EvaluationResult {
  images: number
  /** Sum of cross-entropy over the images. */
  lossSum: number
  /** Images whose largest logit is their label's; of equal logits the class that comes first is the larger. */
  correct: number
  /** Images whose label's logit is among the five largest, by the same order; all of them with five classes or fewer. */
  correct5: number
  /** Class of the largest logit of each image, in order; -1 where a logit is NaN, and such an image is never correct. */
  predicted: Int32Array
}

/** One step of an engine's plan: a layer, with what is computed together with it. */
export interface PlanStepProfile {
  /** Index of its first layer in the graph. */
  layer: number
  /** How it is computed, in the engine's words, such as `winograd`. */
  kind: string
  forwardSeconds: number
  backwardSeconds: number
  /** Multiply-adds that are really carried out, forward and backward; 0 where there are next to none. */
  forwardProducts: number
  backwardProducts: number
}

/** Where the time of a training step goes on the first device, for its share of the global batch: means over some steps. */
export interface StepProfile {
  /** The whole step; the next four are its parts. */
  stepSeconds: number
  /** Forward and backward. What the plan's steps leave of it is staging images, the loss, and sums over shards. */
  gradientSeconds: number
  /** For the other devices, which have not finished their part. */
  waitingSeconds: number
  /** The all-reduce, of which the update is a part. */
  updateSeconds: number
  /** Weights into the layouts that the kernels read. */
  weightCopySeconds: number
  steps: PlanStepProfile[]
}

/** One model on its devices. Calls must not overlap unless `queues`; each runs off the JS thread where the engine can. */
export interface Session {
  /**
   * Calls may be made before the last has resolved: they are carried out in the order in which they were made, each at once
   * when the one before it ends. What a call was given stays untouched until it has resolved. Where one fails in a replica,
   * those behind it reject too.
   */
  readonly queues: boolean
  /** Forward, backward, all-reduce and update on one global batch of exactly `globalBatch` images. */
  step(batch: Batch, learningRate: number): Promise<StepResult>
  /** As `step` without the update: running statistics unchanged too. For tests. Gradients summed over shards, before clipping, by parameter name. */
  gradients(batch: Batch): Promise<{ loss: number; gradients: StateDict }>
  /** Running statistics in use; any number of images from 1 to `globalBatch`. */
  evaluate(batch: Batch): Promise<EvaluationResult>
  /** Logits, (N, classes), with running statistics; 1 to `globalBatch` images. */
  predict(images: Float32Array): Promise<Float32Array>
  /**
   * Times `repetitions` steps at a learning rate of 0: weights stay, optimiser state and running statistics move on.
   * Absent where the engine cannot tell.
   * @throws TrainqlError `INVALID_INPUT` on another number of images, or fewer than one repetition.
   */
  profile?(batch: Batch, repetitions: number): Promise<StepProfile>
  readState(): Promise<StateDict>
  /** @throws TrainqlError `CHECKPOINT_INVALID` on a missing, unexpected or misshapen tensor; nothing is changed then. */
  writeState(state: StateDict): Promise<void>
  readOptimizerState(): Promise<OptimizerState>
  /** @throws TrainqlError `CHECKPOINT_INVALID`, as `writeState`. */
  writeOptimizerState(state: OptimizerState): Promise<void>
  /** Bytes the session holds: weights, gradients, optimiser state, activations. */
  readonly memoryBytes: number
  /** Frees everything once the calls made before have ended; later calls reject. Safe to call twice. */
  close(): Promise<void>
}

export interface Engine {
  /** `native` or `tfjs`. */
  readonly name: string
  /** Instruction set or library versions, for people and for the run's record. */
  readonly detail: string
  /**
   * Opens a session with all-zero weights; the caller writes state before the first step.
   * @throws TrainqlError `INVALID_INPUT` where the plan is impossible (a batch norm of one value per channel),
   * `ENGINE_UNAVAILABLE` where it does not compute in this precision here, `OUT_OF_MEMORY`.
   */
  open(spec: SessionSpec): Promise<Session>
}
