// Opens a dataset by name, found as the server finds it, in the form that a run needs it in.
import type { CorruptImagePolicy, ImageSize } from '../../shared/augmentation.ts'
import { getDataset } from '../../shared/datasets.ts'
import type { BuildProgress } from './cache/build.ts'
import { readCifar10Dataset } from './cifar10.ts'
import type { Dataset } from './dataset.ts'
import { readIdxDataset } from './idx.ts'
import { openShapes } from './shapes.ts'

export interface OpenDatasetOptions {
  /** Where decoded images are kept. */
  cacheFolder: string
  /** Null, or left out: the dataset's own. */
  imageSize?: ImageSize | null
  /** Whether training cuts parts of random scale out of the images: then more of them is kept. */
  randomScale?: boolean
  onCorruptImage?: CorruptImagePolicy
  stop?: AbortSignal
  /** Null while another process decodes. */
  onProgress?: (progress: BuildProgress | null) => void
  say?: (line: string) => void
}

/**
 * @param roots folders searched in order.
 * @throws TrainqlError `DATASET_NOT_FOUND`, `DATASET_INVALID`; of image folders also `INVALID_INPUT` (sizes that differ),
 * `DISK_FULL`, and the signal's reason where it stops.
 */
export async function openDataset(
  name: string,
  roots: readonly string[],
  { imageSize = null, randomScale = false, ...options }: OpenDatasetOptions,
): Promise<Dataset> {
  const { kind, path, classes } = await getDataset(name, roots)
  const folder = path ?? ''
  switch (kind) {
    case 'BUILT_IN':
      return sized(openShapes(), imageSize)
    case 'IDX':
      return sized(readIdxDataset({ name, folder, classes }), imageSize)
    case 'CIFAR10':
      return sized(await readCifar10Dataset({ name, folder, classes }), imageSize)
    case 'IMAGE_FOLDER': {
      // Loads the image decoder, which other sets do without.
      const { openImageFolder } = await import('./image-folder.ts')
      return openImageFolder({
        name,
        folder,
        classes,
        geometry: { output: imageSize, randomScale },
        cacheFolder: options.cacheFolder,
        onCorruptImage: options.onCorruptImage ?? 'FAIL',
        stop: options.stop ?? new AbortController().signal,
        onProgress: options.onProgress ?? (() => undefined),
        say: options.say ?? (() => undefined),
      })
    }
    default:
      return kind satisfies never
  }
}

/** Images in memory keep their size and are scaled as they are put into a batch. */
function sized(dataset: Dataset, imageSize: ImageSize | null): Dataset {
  return { ...dataset, shape: { ...dataset.shape, ...imageSize } }
}
