// Folders of CIFAR-10 in its binary version, described by the files' sizes.
// Format: https://www.cs.toronto.edu/~kriz/cifar.html : records of one label byte and 3 x 32 x 32 pixel bytes (red, green,
// blue plane), nothing around them.
import { readFile, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { type DatasetInfo, invalidDataset, invalidFile } from './dataset-info.ts'

export const cifar10Shape = { channels: 3, height: 32, width: 32 } as const
export const cifar10RecordBytes = 1 + 3 * 32 * 32
export const cifar10Files = {
  train: [1, 2, 3, 4, 5].map((batch) => `data_batch_${batch}.bin`),
  validation: ['test_batch.bin'],
} as const

const publishedClasses: readonly string[] = [
  'airplane',
  'automobile',
  'bird',
  'cat',
  'deer',
  'dog',
  'frog',
  'horse',
  'ship',
  'truck',
]

export async function isCifar10Folder(folder: string): Promise<boolean> {
  return (await sizeOf(join(folder, 'data_batch_1.bin'))) !== null
}

export async function describeCifar10Folder(folder: string): Promise<DatasetInfo> {
  const trainImages = await countRecords(folder, cifar10Files.train)
  const validationImages = await countRecords(folder, cifar10Files.validation)
  const classes = await readClasses(folder)
  return {
    name: basename(folder),
    kind: 'CIFAR10',
    description: `${trainImages} + ${validationImages} colour images of 32x32 in ${classes.length} classes, from CIFAR-10's binary files.`,
    trainImages,
    validationImages,
    ...cifar10Shape,
    classes,
    path: folder,
  }
}

async function countRecords(folder: string, names: readonly string[]): Promise<number> {
  let records = 0
  for (const name of names) {
    const file = join(folder, name)
    const bytes = await sizeOf(file)
    if (bytes === null) {
      throw invalidDataset({
        message: `${file}: expected this file beside the others of CIFAR-10; it is not there.`,
        fix: `Put ${name} into ${folder}.`,
      })
    }
    records += recordsIn(file, bytes)
  }
  return records
}

/** @throws TrainqlError `DATASET_INVALID` unless so many bytes are whole records, and at least one. */
export function recordsIn(file: string, bytes: number): number {
  const whole = Math.floor(bytes / cifar10RecordBytes)
  if (whole > 0 && whole * cifar10RecordBytes === bytes) return whole
  throw invalidFile({
    file,
    offset: whole * cifar10RecordBytes,
    expected: `${whole > 0 ? 'the end, or ' : ''}a record of ${cifar10RecordBytes} bytes`,
    found: `${bytes - whole * cifar10RecordBytes} bytes`,
  })
}

/** `batches.meta.txt`, one name a line; else the published names. */
async function readClasses(folder: string): Promise<readonly string[]> {
  const text = await readFile(join(folder, 'batches.meta.txt'), 'utf8').catch(() => '')
  const named = text.split('\n').flatMap((line) => (line.trim() === '' ? [] : [line.trim()]))
  return named.length > 0 ? named : publishedClasses
}

async function sizeOf(file: string): Promise<number | null> {
  const found = await stat(file).catch(() => null)
  return found?.isFile() === true ? found.size : null
}
