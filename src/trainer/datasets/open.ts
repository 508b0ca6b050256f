// Opens a dataset by name, found as the server finds it: the built-in `shapes`, or a folder of IDX files.
import { getDataset } from '../../shared/datasets.ts'
import type { Dataset } from './dataset.ts'
import { readIdxDataset } from './idx.ts'
import { drawShapes } from './shapes.ts'

/**
 * @param roots folders searched in order.
 * @throws TrainqlError `DATASET_NOT_FOUND`, `DATASET_INVALID`.
 */
export async function openDataset(name: string, roots: readonly string[]): Promise<Dataset> {
  const { path, classes } = await getDataset(name, roots)
  return path === null ? drawShapes() : readIdxDataset({ name, folder: path, classes })
}
