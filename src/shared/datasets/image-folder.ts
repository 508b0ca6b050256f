// Folders of image files, `train/<class>/*` beside `val/<class>/*`: which classes and files there are, found by name alone.
import { readdir, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { type DatasetInfo, emptyWhereAbsent, invalidDataset } from './dataset-info.ts'

const imageNames = /\.(?:jpe?g|png|webp)$/i
const trainFolder = 'train'
/** The first that is there holds the validation images. */
const validationFolders = ['val', 'validation', 'test'] as const

export async function isImageFolder(folder: string): Promise<boolean> {
  return (await listClasses(join(folder, trainFolder))).length > 0
}

/** A file within the dataset's folder, and its class. */
export interface ImageFile {
  /** Relative, with `/`. */
  path: string
  label: number
}

export interface ImageFolder {
  /** Names of the folders below `train`, sorted: the labels. */
  classes: string[]
  train: ImageFile[]
  validation: ImageFile[]
}

/** @throws TrainqlError `DATASET_INVALID` as `listImageFolder` */
export async function describeImageFolder(folder: string): Promise<DatasetInfo> {
  const { classes, splits } = await layOf(folder)
  const [trainImages = 0, validationImages = 0] = await Promise.all(
    splits.map(async ({ path, names }, split) => {
      const counts = await Promise.all(names.map((name) => countImages(join(folder, path, name))))
      const empty = split === 0 ? names[counts.indexOf(0)] : undefined
      if (empty !== undefined) throw withoutImages(`${folder}/${path}/${empty}`)
      const total = counts.reduce((sum, count) => sum + count, 0)
      if (total === 0) throw withoutImages(`${folder}/${path}`)
      return total
    }),
  )
  return {
    name: basename(folder),
    kind: 'IMAGE_FOLDER',
    description: `${trainImages} + ${validationImages} image files in ${classes.length} classes.`,
    trainImages,
    validationImages,
    channels: 3,
    height: null,
    width: null,
    classes,
    path: folder,
  }
}

/**
 * Every image file, by class and then by name.
 * @throws TrainqlError `DATASET_INVALID` where there is no validation folder, or a class has no images.
 */
export async function listImageFolder(folder: string): Promise<ImageFolder> {
  const { classes, splits } = await layOf(folder)
  const [train = [], validation = []] = await Promise.all(
    splits.map(async ({ path, names }) => {
      const files: ImageFile[] = []
      for (const name of names) {
        const label = classes.indexOf(name)
        for (const file of await listImages(join(folder, path, name)))
          files.push({ path: `${path}/${name}/${file}`, label })
      }
      return files
    }),
  )
  const empty = classes.find((_, label) => !train.some((file) => file.label === label))
  if (empty !== undefined) throw withoutImages(`${folder}/${trainFolder}/${empty}`)
  const [, { path } = { path: '' }] = splits
  if (validation.length === 0) throw withoutImages(`${folder}/${path}`)
  return { classes, train, validation }
}

interface Lay {
  classes: string[]
  /** Training, then validation: the folder, and its classes. */
  splits: { path: string; names: string[] }[]
}

async function layOf(folder: string): Promise<Lay> {
  const classes = await listClasses(join(folder, trainFolder))
  for (const path of validationFolders) {
    const names = await listClasses(join(folder, path))
    if (names.length === 0) continue
    const foreign = names.find((name) => !classes.includes(name))
    if (foreign !== undefined) {
      throw invalidDataset({
        message: `${folder}/${path}/${foreign}: expected one of the ${classes.length} classes of ${trainFolder}; there is no ${trainFolder}/${foreign}.`,
        fix: `Remove ${path}/${foreign}, or add its training images.`,
      })
    }
    return {
      classes,
      splits: [
        { path: trainFolder, names: classes },
        { path, names },
      ],
    }
  }
  throw invalidDataset({
    message: `${folder}: expected ${validationFolders.slice(0, -1).join('/, ')}/ or ${validationFolders.at(-1)}/ with a folder a class beside ${trainFolder}/; found none.`,
    fix: `Put the validation images into ${folder}/${validationFolders[0]}/<class>/.`,
  })
}

function withoutImages(folder: string): Error {
  return invalidDataset({
    message: `${folder}: expected at least one .jpg, .jpeg, .png or .webp file; found none.`,
    fix: 'Put images there, or remove the folder.',
  })
}

/** Names of the folders below, in the order of their characters' codes. */
async function listClasses(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(emptyWhereAbsent)
  const names: string[] = []
  for (const entry of entries) {
    if (entry.name.startsWith('.')) continue
    if (entry.isDirectory() || (entry.isSymbolicLink() && (await isDirectory(join(folder, entry.name))))) {
      names.push(entry.name)
    }
  }
  return names.sort()
}

async function isDirectory(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null))?.isDirectory() === true
}

/** Names of the image files directly in it, sorted. */
export async function listImages(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(emptyWhereAbsent)
  return entries
    .filter((entry) => !entry.isDirectory() && !entry.name.startsWith('.') && imageNames.test(entry.name))
    .map(({ name }) => name)
    .sort()
}

/** Counts by folder, kept while the folder is as it was: a listing then costs one look at each class. */
const counted = new Map<string, { changedAt: bigint; count: number }>()

async function countImages(folder: string): Promise<number> {
  const found = await stat(folder, { bigint: true }).catch(() => null)
  if (found === null) return 0
  const known = counted.get(folder)
  if (known?.changedAt === found.mtimeNs) return known.count
  const { length: count } = await listImages(folder)
  counted.set(folder, { changedAt: found.mtimeNs, count })
  return count
}
