// What every reader of tensor files gives: the file's values as inert data, and its tensors one by one when asked for.
import type { CheckpointFormat } from '../../../shared/load-report.ts'

// prettier-ignore
export const fileDtypes = [
  'F64', 'F32', 'F16', 'BF16', 'I64', 'I32', 'I16', 'I8', 'U64', 'U32', 'U16', 'U8', 'BOOL',
] as const
export type FileDtype = (typeof fileDtypes)[number]

/** A run of elements in the file that tensors are views of; two tensors may share one. */
export interface FileStorage {
  key: string
  dtype: FileDtype
  elements: number
  /** As the file says: `cpu`, `cuda:3`. Data, never asked for. */
  device: string
}

/** A strided view of a storage; everything in elements. Checked by the reader to lie within its storage. */
export interface FileTensor {
  kind: 'tensor'
  dtype: FileDtype
  shape: readonly number[]
  strides: readonly number[]
  offset: number
  storage: FileStorage
}

/** A mapping with its order; keys are mostly strings, and integers in an optimiser's state. */
export interface FileDict {
  kind: 'dict'
  entries: Map<FileValue, FileValue>
}

export interface FileList {
  kind: 'list' | 'tuple' | 'set'
  items: FileValue[]
}

/** An instance of a class that was never looked for: its name, what it was made of, and its state. */
export interface FileObject {
  kind: 'object'
  /** Such as `torchvision.models.resnet.ResNet`. */
  global: string
  arguments: FileValue[]
  state: FileValue
  /** What was set on it as on a dict or a list. */
  entries: Map<FileValue, FileValue>
  items: FileValue[]
}

/** A class or function named by the file and left alone. */
export interface FileGlobal {
  kind: 'global'
  name: string
}

export type FileValue =
  null | boolean | number | bigint | string | Uint8Array | FileTensor | FileDict | FileList | FileObject | FileGlobal

export interface TensorFile {
  format: Exclude<CheckpointFormat, 'TRAINQL'>
  /** Values may refer to one another, in circles too. */
  root: FileValue
  /** Safetensors' own, else empty. */
  metadata: Readonly<Record<string, string>>
  bytes: number
  /**
   * A tensor's values as fp32, row-major, read from the file now. Integers above 2^24 are rounded.
   * @throws TrainqlError `CHECKPOINT_INVALID` where the file has changed or ends early.
   */
  readFloats(tensor: FileTensor): Promise<Float32Array>
  /**
   * As `readFloats` of each, in their order, and several times as fast for a whole model: what lies together in the file
   * is read together, and the values are views of memory that they share and that lives as long as any of them.
   */
  readAll(tensors: readonly FileTensor[]): Promise<Float32Array[]>
  close(): Promise<void>
}
