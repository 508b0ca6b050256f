// Which datasets there are, found without reading an image: the built-in set, and IDX folders (MNIST, Fashion-MNIST)
// in the dataset roots. The server lists and checks by it; the trainer opens what it names.
import { createReadStream } from 'node:fs'
import { access, readdir, readFile, stat } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { createGunzip, gunzipSync } from 'node:zlib'
import { isTrainqlError, TrainqlError } from './errors.ts'

export const datasetKinds = ['IDX', 'BUILT_IN'] as const
export type DatasetKind = (typeof datasetKinds)[number]

export interface DatasetInfo {
  name: string
  kind: DatasetKind
  description: string
  trainImages: number
  validationImages: number
  channels: number
  height: number
  width: number
  /** Class names, in the order of the labels. */
  classes: readonly string[]
  /** Folder; null for a built-in set. */
  path: string | null
}

/** The set drawn by rule, so that a first run needs no download. The trainer draws it. */
export const shapesDataset: DatasetInfo = {
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
  for (const folder of await listIdxFolders(roots)) {
    const name = basename(folder)
    if (found.has(name) || damaged.has(name)) continue
    try {
      found.set(name, await describeIdxFolder(folder))
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
  throw new TrainqlError({
    code: 'DATASET_NOT_FOUND',
    field: 'dataset',
    message: `There is no dataset "${name}"; there are ${datasets.map((dataset) => dataset.name).join(', ')}.`,
    fix: `Name one of these, or put the folder ${name} with its IDX files into a folder listed in TRAINQL_DATA.`,
  })
}

const trainImagesName = 'train-images-idx3-ubyte'

async function listIdxFolders(roots: readonly string[]): Promise<string[]> {
  const folders: string[] = []
  for (const root of roots.map((path) => resolve(path))) {
    const entries = await readdir(root, { withFileTypes: true }).catch(emptyWhereAbsent)
    const children = entries.filter((entry) => entry.isDirectory() || entry.isSymbolicLink())
    for (const folder of [root, ...children.map((entry) => join(root, entry.name)).sort()]) {
      if ((await findFile(folder, trainImagesName)) !== null) folders.push(folder)
    }
  }
  return folders
}

function emptyWhereAbsent(error: NodeJS.ErrnoException): [] {
  if (['ENOENT', 'ENOTDIR', 'EACCES'].includes(error.code ?? '')) return []
  throw error
}

async function describeIdxFolder(folder: string): Promise<DatasetInfo> {
  const name = basename(folder)
  const [trainImages = 0, height = 0, width = 0] = await readSizes(folder, trainImagesName, 3)
  const [validationImages = 0] = await readSizes(folder, 't10k-images-idx3-ubyte', 3)
  await readSizes(folder, 't10k-labels-idx1-ubyte', 1)
  const classes = knownClasses[name] ?? (await readClasses(folder))
  return {
    name,
    kind: 'IDX',
    description: `${trainImages} + ${validationImages} grey images of ${height}x${width} in ${classes.length} classes, from IDX files.`,
    trainImages,
    validationImages,
    channels: 1,
    height,
    width,
    classes,
    path: folder,
  }
}

const digits: readonly string[] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9']
/** Published class names of well-known sets, by folder name. */
const knownClasses: Record<string, readonly string[]> = {
  mnist: digits,
  'fashion-mnist': [
    'T-shirt/top',
    'Trouser',
    'Pullover',
    'Dress',
    'Coat',
    'Sandal',
    'Shirt',
    'Sneaker',
    'Bag',
    'Ankle boot',
  ],
}

const labelsHeaderBytes = 8

/** `classes.txt` in the folder, one name a line; else numbers up to the largest training label. */
async function readClasses(folder: string): Promise<string[]> {
  const named = await readFile(join(folder, 'classes.txt'), 'utf8').catch(() => null)
  if (named !== null) return named.split('\n').flatMap((line) => (line.trim() === '' ? [] : [line.trim()]))
  await readSizes(folder, 'train-labels-idx1-ubyte', 1)
  const file = await getFile(folder, 'train-labels-idx1-ubyte')
  let labels: Buffer
  try {
    const bytes = await readFile(file)
    labels = bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes) : bytes
  } catch (error) {
    throw invalid({ file, offset: 0, expected: 'whole labels', found: messageOf(error) }, error)
  }
  const largest = labels.subarray(labelsHeaderBytes).reduce((most, label) => Math.max(most, label), 0)
  return Array.from({ length: largest + 1 }, (_, label) => String(label))
}

/** The sizes in an IDX header: big-endian 0x0000TTDD, T = 8 for unsigned bytes, then one 32-bit size a dimension. */
async function readSizes(folder: string, name: string, dimensions: number): Promise<number[]> {
  const file = await getFile(folder, name)
  const headerBytes = 4 + 4 * dimensions
  const header = await readStart(file, headerBytes)
  if (header.length < headerBytes) {
    const found = `end of file after ${header.length}`
    throw invalid({ file, offset: header.length, expected: `a header of ${headerBytes} bytes`, found })
  }
  const magic = 0x0800 | dimensions
  if (header.readUInt32BE(0) !== magic) {
    const [expected, found] = [hex(magic), hex(header.readUInt32BE(0))]
    throw invalid({ file, offset: 0, expected: `magic number ${expected}`, found })
  }
  const sizes = Array.from({ length: dimensions }, (_, index) => header.readUInt32BE(4 + 4 * index))
  const empty = sizes.indexOf(0)
  if (empty !== -1) throw invalid({ file, offset: 4 + 4 * empty, expected: 'a size of at least 1', found: '0' })
  return sizes
}

/** The first bytes of a file, uncompressed where it is gzip. */
async function readStart(file: string, bytes: number): Promise<Buffer> {
  const source = createReadStream(file, { highWaterMark: 4096 })
  try {
    const gzip = file.endsWith('.gz')
    const stream = gzip ? source.pipe(createGunzip()) : source
    if (gzip) source.on('error', (error) => stream.destroy(error))
    let start = Buffer.alloc(0)
    for await (const chunk of stream) {
      start = Buffer.concat([start, chunk as Buffer])
      if (start.length >= bytes) break
    }
    return start.subarray(0, bytes)
  } catch (error) {
    throw invalid({ file, offset: 0, expected: 'a readable file', found: messageOf(error) }, error)
  } finally {
    source.destroy()
  }
}

async function getFile(folder: string, name: string): Promise<string> {
  const file = await findFile(folder, name)
  if (file !== null) return file
  throw new TrainqlError({
    code: 'DATASET_INVALID',
    message: `${join(folder, name)}: expected this file, or ${name}.gz beside it; found neither.`,
    fix: `Put ${name} or ${name}.gz into ${folder}.`,
  })
}

/** The file itself or its `.gz`; the uncompressed one where both are there. */
async function findFile(folder: string, name: string): Promise<string | null> {
  for (const file of [join(folder, name), join(folder, `${name}.gz`)]) {
    const readable = await access(file).then(
      () => true,
      () => false,
    )
    if (readable && (await stat(file)).isFile()) return file
  }
  return null
}

function invalid(
  { file, offset, expected, found }: { file: string; offset: number; expected: string; found: string },
  cause?: unknown,
): TrainqlError {
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

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function hex(value: number): string {
  return `0x${value.toString(16).padStart(8, '0')}`
}
