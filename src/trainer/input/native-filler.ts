// Fills batches on threads of the native addon (`native/src/input/loader.h`), which read files through a mapping.
import { TrainqlError } from '../../shared/errors.ts'
import { loadAddon } from '../addon.ts'
import type { Dataset, StoredImages } from '../datasets/dataset.ts'
import type { BatchFiller, FillerOptions } from './filler.ts'
import { levelsOf } from './pixels.ts'
import { placementRules, type PlacementRules } from './placement.ts'

interface InputAddon {
  InputLoader: new (spec: LoaderSpec) => InputLoader
}

interface LoaderSpec {
  channels: number
  height: number
  width: number
  levels: Float32Array
  scale: Float32Array
  shift: Float32Array
  augmentation: PlacementRules
  seed: number
  workers: number
  splits: LoaderSplit[]
}

type LoaderSplit = Omit<StoredImages, 'source'> & ({ bytes: Uint8Array } | { file: string })

interface InputLoader {
  fill(request: {
    split: number
    augmented: boolean
    epoch: number
    indices: Uint32Array
    images: Float32Array
  }): Promise<void>
  close(): void
}

const splitNames = ['train', 'validation'] as const

/** @throws TrainqlError `DATASET_INVALID` where a file of images is gone, or is not what its tables say. */
export function createNativeFiller(
  dataset: Dataset,
  { seed, augmentation, workers }: FillerOptions & { workers: number },
): BatchFiller {
  const { table, scale, shift } = levelsOf(dataset.normalisation)
  const loader = openLoader({
    ...dataset.shape,
    levels: table,
    scale,
    shift,
    augmentation: placementRules(augmentation),
    seed,
    workers,
    splits: splitNames.map((name) => loaderSplit(dataset[name].images)),
  })
  return {
    concurrent: true,
    fill: async ({ split, augmentedFor, indices, images }) =>
      loader.fill({
        split: splitNames.indexOf(split),
        augmented: augmentedFor !== null,
        epoch: augmentedFor ?? 0,
        indices,
        images,
      }),
    close: () => loader.close(),
  }
}

function openLoader(spec: LoaderSpec): InputLoader {
  const { InputLoader } = loadAddon() as InputAddon
  try {
    return new InputLoader(spec)
  } catch (error) {
    throw new TrainqlError(
      {
        code: 'DATASET_INVALID',
        message: `The decoded images cannot be read: ${error instanceof Error ? error.message : String(error)}.`,
        fix: 'Start the run again: what is missing is decoded anew.',
      },
      { cause: error },
    )
  }
}

function loaderSplit({ source, ...tables }: StoredImages): LoaderSplit {
  return { ...tables, ...(source.kind === 'MEMORY' ? { bytes: source.bytes } : { file: source.path }) }
}
