// What puts images into a batch: on threads of the native addon where it is built, else here. Both give the same numbers.
import { availableParallelism } from 'node:os'
import type { AugmentationSpec } from '../../shared/augmentation.ts'
import { findAddonProblem } from '../addon.ts'
import type { Dataset } from '../datasets/dataset.ts'
import { createNativeFiller } from './native-filler.ts'
import { createPlainFiller } from './plain-filler.ts'

export interface FillRequest {
  split: 'train' | 'validation'
  /** From 1; null: as stored, without augmentation. */
  augmentedFor: number | null
  /** Of images within the split. */
  indices: Uint32Array
  /** Room for them as normalised floats (N, C, H, W); not touched by anyone else until the promise settles. */
  images: Float32Array
}

export interface BatchFiller {
  /** Whether it works while the caller does other things, so that asking early pays. */
  readonly concurrent: boolean
  fill(request: FillRequest): Promise<void>
  /** Frees memory, threads and files; requests under way reject. Safe to call twice. */
  close(): void
}

export interface FillerOptions {
  seed: number
  augmentation: AugmentationSpec | null
}

/** A worker prepares thousands of images a second: a few keep any engine busy, and read the disk side by side. */
const coresAWorker = 4
const maxWorkers = 4

export function openFiller(dataset: Dataset, options: FillerOptions): BatchFiller {
  if (findAddonProblem() !== null) return createPlainFiller(dataset, options)
  const workers = Math.min(maxWorkers, Math.max(1, Math.floor(availableParallelism() / coresAWorker)))
  return createNativeFiller(dataset, { ...options, workers })
}
