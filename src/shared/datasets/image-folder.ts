// Folders of image files, `train/<class>/*` beside `val/<class>/*`: which classes and files there are, found by name alone.
import { readdir, stat } from 'node:fs/promises'
import { basename, join, relative } from 'node:path'
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
  const [train, validation] = await Promise.all(
    splits.map(({ path, names }) => Promise.all(names.map((name) => countContents(join(folder, path, name))))),
  )
  const empty = classes[train?.findIndex(({ images }) => images === 0) ?? -1]
  if (empty !== undefined) throw withoutImages(`${folder}/${trainFolder}/${empty}`)
  const [trainImages, validationImages] = [imagesIn(train), imagesIn(validation)]
  if (validationImages === 0) throw withoutImages(`${folder}/${splits[1]?.path ?? ''}`)
  return {
    name: basename(folder),
    kind: 'IMAGE_FOLDER',
    description: `${trainImages} + ${validationImages} image files in ${classes.length} classes.${leftOut(folder, [...(train ?? []), ...(validation ?? [])])}`,
    trainImages,
    validationImages,
    channels: 3,
    height: null,
    width: null,
    classes,
    path: folder,
  }
}

function imagesIn(counts: readonly Counts[] = []): number {
  return counts.reduce((sum, { images }) => sum + images, 0)
}

/** What a user may have taken for images, such as .bmp files and folders within a class. */
function leftOut(folder: string, counts: readonly Counts[]): string {
  const others = counts.reduce((sum, each) => sum + each.others, 0)
  const first = counts.find(({ firstOther }) => firstOther !== null)?.firstOther ?? null
  if (first === null) return ''
  return ` Left out: ${others} other ${others === 1 ? 'file or folder' : 'files or folders'}, such as ${relative(folder, first)}.`
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
  return (await lookInto(folder)).images
}

interface Contents {
  images: string[]
  /** What else is there, but for what begins with a dot. */
  others: string[]
}

async function lookInto(folder: string): Promise<Contents> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(emptyWhereAbsent)
  const contents: Contents = { images: [], others: [] }
  for (const entry of entries) {
    if (entry.name.startsWith('.')) continue
    const isImage = !entry.isDirectory() && imageNames.test(entry.name)
    contents[isImage ? 'images' : 'others'].push(entry.name)
  }
  return { images: contents.images.sort(), others: contents.others.sort() }
}

interface Counts {
  images: number
  others: number
  /** Path of the first of the others. */
  firstOther: string | null
}

/** By folder, kept while the folder is as it was: a listing then costs one look at each class. */
const counted = new Map<string, { changedAt: bigint; counts: Counts }>()

async function countContents(folder: string): Promise<Counts> {
  const found = await stat(folder, { bigint: true }).catch(() => null)
  if (found === null) return { images: 0, others: 0, firstOther: null }
  const known = counted.get(folder)
  if (known?.changedAt === found.mtimeNs) return known.counts
  const { images, others } = await lookInto(folder)
  const [first] = others
  const firstOther = first === undefined ? null : join(folder, first)
  const counts = { images: images.length, others: others.length, firstOther }
  counted.set(folder, { changedAt: found.mtimeNs, counts })
  return counts
}
