// What is known of a dataset before an image of it is read, and the words for files that are not what they should be.
import { basename } from 'node:path'
import { TrainqlError } from '../errors.ts'

export const datasetKinds = ['IDX', 'CIFAR10', 'IMAGE_FOLDER', 'BUILT_IN'] as const
export type DatasetKind = (typeof datasetKinds)[number]

export interface DatasetInfo {
  name: string
  kind: DatasetKind
  description: string
  trainImages: number
  validationImages: number
  channels: number
  /** Of every image; null for an image folder, whose files are not opened to list it. */
  height: number | null
  width: number | null
  /** Class names, in the order of the labels. */
  classes: readonly string[]
  /** Folder; null for a built-in set. */
  path: string | null
}

export interface Discrepancy {
  file: string
  /** Byte offset in the uncompressed data. */
  offset: number
  expected: string
  found: string
}

export function invalidFile({ file, offset, expected, found }: Discrepancy, cause?: unknown): TrainqlError {
  return new TrainqlError(
    {
      code: 'DATASET_INVALID',
      field: 'dataset',
      message: `${file}: at byte ${offset} expected ${expected}; found ${found}.`,
      fix: `Replace ${basename(file)} with an undamaged copy.`,
    },
    { cause },
  )
}

export function invalidDataset(details: { message: string; fix: string }): TrainqlError {
  return new TrainqlError({ code: 'DATASET_INVALID', field: 'dataset', ...details })
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** A folder that cannot be listed holds nothing. */
export function emptyWhereAbsent(error: NodeJS.ErrnoException): [] {
  if (['ENOENT', 'ENOTDIR', 'EACCES'].includes(error.code ?? '')) return []
  throw error
}
