// Folders of IDX files (MNIST, Fashion-MNIST), described by their headers.
// Format: http://yann.lecun.com/exdb/mnist/ : big-endian 0x0000TTDD, T = 8 for unsigned bytes, then one 32-bit size a
// dimension, then the values; gzip-compressed or not.
import { createReadStream } from 'node:fs'
import { access, readFile, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { createGunzip, gunzipSync } from 'node:zlib'
import { type DatasetInfo, invalidDataset, invalidFile, messageOf } from './dataset-info.ts'

const trainImagesName = 'train-images-idx3-ubyte'

export async function isIdxFolder(folder: string): Promise<boolean> {
  return (await findFile(folder, trainImagesName)) !== null
}

export async function describeIdxFolder(folder: string): Promise<DatasetInfo> {
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
    throw invalidFile({ file, offset: 0, expected: 'whole labels', found: messageOf(error) }, error)
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
    throw invalidFile({ file, offset: header.length, expected: `a header of ${headerBytes} bytes`, found })
  }
  const magic = 0x0800 | dimensions
  if (header.readUInt32BE(0) !== magic) {
    const [expected, found] = [hex(magic), hex(header.readUInt32BE(0))]
    throw invalidFile({ file, offset: 0, expected: `magic number ${expected}`, found })
  }
  const sizes = Array.from({ length: dimensions }, (_, index) => header.readUInt32BE(4 + 4 * index))
  const empty = sizes.indexOf(0)
  if (empty !== -1) throw invalidFile({ file, offset: 4 + 4 * empty, expected: 'a size of at least 1', found: '0' })
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
    throw invalidFile({ file, offset: 0, expected: 'a readable file', found: messageOf(error) }, error)
  } finally {
    source.destroy()
  }
}

async function getFile(folder: string, name: string): Promise<string> {
  const file = await findFile(folder, name)
  if (file !== null) return file
  throw invalidDataset({
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

function hex(value: number): string {
  return `0x${value.toString(16).padStart(8, '0')}`
}
