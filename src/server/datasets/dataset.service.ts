// The datasets a run can name: looked up afresh each time, for headers are quick to read and folders come and go.
import { type DatasetInfo, discoverDatasets, getDataset } from '../../shared/datasets.ts'

export interface DatasetService {
  /** Folders searched, in order. */
  roots: readonly string[]
  list(): Promise<DatasetInfo[]>
  find(name: string): Promise<DatasetInfo | null>
  /** @throws TrainqlError `DATASET_NOT_FOUND`, `DATASET_INVALID` */
  get(name: string): Promise<DatasetInfo>
}

export function createDatasetService(roots: readonly string[]): DatasetService {
  const list = async (): Promise<DatasetInfo[]> => (await discoverDatasets(roots)).datasets
  return {
    roots,
    list,
    find: async (name) => (await list()).find((dataset) => dataset.name === name) ?? null,
    get: (name) => getDataset(name, roots),
  }
}
