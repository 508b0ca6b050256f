// Which datasets there are, found without reading an image: the built-in set, and in the dataset roots folders of IDX files,
// of CIFAR-10's binary files and of image files. The server lists and checks by it; the trainer opens what it names.
import { readdir } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { describeCifar10Folder, isCifar10Folder } from './datasets/cifar10-folder.ts'
import { type DatasetInfo, emptyWhereAbsent } from './datasets/dataset-info.ts'
import { describeIdxFolder, isIdxFolder } from './datasets/idx-folder.ts'
import { describeImageFolder, isImageFolder } from './datasets/image-folder.ts'
import { isTrainqlError, TrainqlError } from './errors.ts'

export { datasetKinds, type DatasetInfo, type DatasetKind } from './datasets/dataset-info.ts'

/** The set drawn by rule, so that a first run needs no download. The trainer draws it. */
export const shapesDataset: DatasetInfo & { height: number; width: number } = {
  name: 'shapes',
  kind: 'BUILT_IN',
  description: 'Ten kinds of line figures drawn by rule, varied in place, size, turn, stroke, contrast and noise.',
  trainImages: 12_000,
  validationImages: 2_000,
  channels: 1,
  height: 28,
  width: 28,
  classes: ['ring', 'arc', 'square', 'triangle', 'plus', 'tee', 'ell', 'bars', 'zigzag', 'wye'],
  path: null,
}

export interface DatasetDiscovery {
  /** Built-in first, then by name; of two folders of one name the one in the earlier root counts. */
  datasets: DatasetInfo[]
  /** Folders that look like a dataset and cannot be used, and why. */
  damaged: { name: string; path: string; error: TrainqlError }[]
}

/** Looks into each root, and at the root itself, which may be a dataset's folder. A root that is absent holds none. */
export async function discoverDatasets(roots: readonly string[]): Promise<DatasetDiscovery> {
  const found = new Map<string, DatasetInfo>([[shapesDataset.name, shapesDataset]])
  const damaged = new Map<string, { name: string; path: string; error: TrainqlError }>()
  for (const folder of await listFolders(roots)) {
    const name = basename(folder)
    if (found.has(name) || damaged.has(name)) continue
    try {
      const info = await findDataset(folder)
      if (info !== null) found.set(name, info)
    } catch (error) {
      if (!isTrainqlError(error)) throw error
      damaged.set(name, { name, path: folder, error })
    }
  }
  const [builtIn, ...folders] = [...found.values()]
  const byName = folders.sort((a, b) => (a.name < b.name ? -1 : 1))
  return { datasets: builtIn === undefined ? byName : [builtIn, ...byName], damaged: [...damaged.values()] }
}

/**
 * The dataset of this name.
 * @throws TrainqlError `DATASET_NOT_FOUND` naming those there are, `DATASET_INVALID` where its files are damaged.
 */
export async function getDataset(name: string, roots: readonly string[]): Promise<DatasetInfo> {
  const { datasets, damaged } = await discoverDatasets(roots)
  const info = datasets.find((dataset) => dataset.name === name)
  if (info !== undefined) return info
  const broken = damaged.find((dataset) => dataset.name === name)
  if (broken !== undefined) throw broken.error
  throw await notFound(name, roots, datasets)
}

async function notFound(
  name: string,
  roots: readonly string[],
  datasets: readonly DatasetInfo[],
): Promise<TrainqlError> {
  const absent = await listAbsentRoots(roots)
  const message = `There is no dataset "${name}"; there are ${datasets.map((dataset) => dataset.name).join(', ')}.`
  const missing =
    absent.length === 0 ? '' : ` Of the folders of TRAINQL_DATA, ${absent.join(', ')} cannot be looked into.`
  return new TrainqlError({
    code: 'DATASET_NOT_FOUND',
    field: 'dataset',
    message: `${message}${missing}`,
    fix: await nextStep(
      name,
      roots.filter((root) => !absent.includes(root)),
      datasets,
    ),
  })
}

/** What stands in the way of a name that looks like something else. */
async function nextStep(name: string, roots: readonly string[], datasets: readonly DatasetInfo[]): Promise<string> {
  if (/[/\\]/.test(name)) {
    const last = basename(name)
    const known = datasets.find((dataset) => dataset.name === last)
    return known === undefined
      ? `Name a dataset by its folder's name, ${last}, and start the server with a folder that holds it in TRAINQL_DATA.`
      : `Name it by its folder's name alone, ${last}.`
  }
  const folder = (await listFolders(roots)).find((path) => basename(path) === name)
  if (folder !== undefined) {
    return `${folder} holds no dataset: put train-images-idx3-ubyte and its companions there, data_batch_1.bin and its companions, or train/<class>/ and val/<class>/ with images.`
  }
  return `Name one of these, or put the folder ${name} with its files into a folder listed in TRAINQL_DATA.`
}

/** Those that cannot be looked into: a typing error, or a disk that is not mounted. */
export async function listAbsentRoots(roots: readonly string[]): Promise<string[]> {
  const found = await Promise.all(roots.map((root) => readdir(root).catch(() => null)))
  return roots.filter((_, index) => found[index] === null)
}

async function listFolders(roots: readonly string[]): Promise<string[]> {
  const folders: string[] = []
  for (const root of roots.map((path) => resolve(path))) {
    const entries = await readdir(root, { withFileTypes: true }).catch(emptyWhereAbsent)
    const children = entries.filter((entry) => entry.isDirectory() || entry.isSymbolicLink())
    folders.push(root, ...children.map((entry) => join(root, entry.name)).sort())
  }
  return folders
}

/** Null where the folder holds no dataset. */
async function findDataset(folder: string): Promise<DatasetInfo | null> {
  if (await isIdxFolder(folder)) return describeIdxFolder(folder)
  if (await isCifar10Folder(folder)) return describeCifar10Folder(folder)
  if (await isImageFolder(folder)) return describeImageFolder(folder)
  return null
}
