// Opens a folder of image files as a dataset: decoded once, kept in the cache, read from there.
import { invalidDataset } from '../../shared/datasets/dataset-info.ts'
import type { CorruptImagePolicy } from '../../shared/augmentation.ts'
import { openImages, type OpenImagesRequest } from './cache/open.ts'
import { maxClasses, type CorruptImage, type Dataset } from './dataset.ts'

export interface ImageFolderOptions extends OpenImagesRequest {
  classes: readonly string[]
  onCorruptImage: CorruptImagePolicy
}

/** Every one is in the decoded set's description; a log of a million lines helps nobody. */
const namedInLog = 100

/**
 * @throws TrainqlError `DATASET_INVALID` naming the first image that cannot be decoded, where the policy is FAIL;
 * `INVALID_INPUT`, `DISK_FULL`; the signal's reason where it stops.
 */
export async function openImageFolder({ classes, onCorruptImage, ...request }: ImageFolderOptions): Promise<Dataset> {
  const { name, say } = request
  if (classes.length > maxClasses) {
    throw invalidDataset({
      message: `${name}: expected at most ${maxClasses} classes; found ${classes.length}.`,
      fix: 'Use fewer classes.',
    })
  }
  const { description, train, validation } = await openImages(request)
  const { corrupt, shape, normalisation } = description
  for (const { file, reason } of corrupt.slice(0, namedInLog)) say(`dataset ${name}: cannot decode ${file}: ${reason}`)
  if (corrupt.length > namedInLog) say(`dataset ${name}: cannot decode ${corrupt.length - namedInLog} more`)
  if (corrupt.length > 0 && onCorruptImage === 'FAIL') throw corruptImages(name, corrupt)
  if (corrupt.length > 0) say(`dataset ${name}: left out ${corrupt.length} images that cannot be decoded`)
  const { output, randomScale } = request.geometry
  const margin = output !== null && randomScale
  return { name, shape, classes: description.classes, train, validation, normalisation, margin, skipped: corrupt }
}

function corruptImages(name: string, corrupt: readonly CorruptImage[]): Error {
  const [{ file, reason } = { file: '', reason: '' }] = corrupt
  const others = corrupt.length === 1 ? '' : `, and ${corrupt.length - 1} more (named in the log)`
  return invalidDataset({
    message: `${name}: expected images that can be decoded; cannot decode ${file}: ${reason}${others}.`,
    fix: 'Replace or remove what is named, or leave such images out with onCorruptImage SKIP.',
  })
}
