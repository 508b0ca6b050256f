// The native engine's kernel table as seen from here: which algorithm computes a convolution, and how quick each is.
import type { Precision } from '../../shared/run-spec.ts'

export const convolutionAlgorithms = ['direct', 'winograd'] as const
export type ConvolutionAlgorithm = (typeof convolutionAlgorithms)[number]

export const convolutionDirections = ['forward', 'dataGradient', 'weightGradient'] as const
export type ConvolutionDirection = (typeof convolutionDirections)[number]

/** One algorithm for each direction. */
export type Algorithms = Record<ConvolutionDirection, ConvolutionAlgorithm>

/** Of one shard; height and width are the input's. */
export interface ConvolutionShape {
  inChannels: number
  outChannels: number
  kernel: number
  stride: number
  padding: number
  height: number
  width: number
  shardBatch: number
}

export interface KernelTableEntry {
  /** Instruction set, and with it the number format: `avx512`, `amx_bf16`, `avx512_bf16`, `avx2`, `portable`. */
  kernels: string
  shape: ConvolutionShape
  algorithms: Algorithms
}

export interface ConvolutionTrial {
  shape: ConvolutionShape
  precision: Precision
  algorithms: Algorithms
  /** Operating-system number of the core to work on. */
  core: number
  repetitions: number
}

/** Seconds of each repetition. `weightCopies`: what the algorithms read besides the parameters, made once an update. */
export type ConvolutionTimes = Record<ConvolutionDirection | 'weightCopies', Float64Array>

/** Of generated values: (pixels, images, channels), likewise, and (out, in, taps). */
export interface ConvolutionResults {
  output: Float32Array
  inputGradient: Float32Array
  weightGradient: Float32Array
}

/** What the addon tells about its kernel table. Trials block the caller; they are for tuning and tests. */
export interface KernelTable {
  /** A digest of table and rule. */
  kernelTableVersion(): string
  supportsBf16(): boolean
  /** The kernels that this machine uses for a precision that it computes in. */
  kernelsName(precision: Precision): string
  kernelTable(): KernelTableEntry[]
  acceptedAlgorithms(shape: ConvolutionShape): ConvolutionAlgorithm[]
  /** What is chosen where the table has no entry. */
  algorithmsByRule(precision: Precision, shape: ConvolutionShape): Algorithms
  chosenAlgorithms(precision: Precision, shape: ConvolutionShape): Algorithms
  timeConvolution(trial: ConvolutionTrial): ConvolutionTimes
  computeConvolution(trial: ConvolutionTrial): ConvolutionResults
}
