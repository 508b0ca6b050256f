// Reads CIFAR-10 in its binary version (the format: `src/shared/datasets/cifar10-folder.ts`).
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cifar10Files, cifar10RecordBytes, cifar10Shape, recordsIn } from '../../shared/datasets/cifar10-folder.ts'
import { invalidFile, messageOf } from '../../shared/datasets/dataset-info.ts'
import { normalisationOf, splitInMemory, type Dataset } from './dataset.ts'

export interface Cifar10Options {
  name: string
  folder: string
  classes: readonly string[]
}

/** @throws TrainqlError `DATASET_INVALID` naming file, offset, expected and found. */
export async function readCifar10Dataset({ name, folder, classes }: Cifar10Options): Promise<Dataset> {
  const train = await readRecords(folder, cifar10Files.train, classes.length)
  const validation = await readRecords(folder, cifar10Files.validation, classes.length)
  return {
    name,
    shape: cifar10Shape,
    classes,
    train: splitInMemory(train.images, train.labels, cifar10Shape),
    validation: splitInMemory(validation.images, validation.labels, cifar10Shape),
    normalisation: normalisationOf(train.images, cifar10Shape),
    skipped: [],
  }
}

interface Records {
  /** (N, 3, 32, 32) */
  images: Uint8Array
  labels: Uint16Array
}

async function readRecords(folder: string, names: readonly string[], classes: number): Promise<Records> {
  const parts: Records[] = []
  for (const name of names) parts.push(recordsOf(join(folder, name), await readBytes(join(folder, name)), classes))
  const count = parts.reduce((sum, { labels }) => sum + labels.length, 0)
  const whole = { images: new Uint8Array(count * (cifar10RecordBytes - 1)), labels: new Uint16Array(count) }
  let at = 0
  for (const { images, labels } of parts) {
    whole.images.set(images, at * (cifar10RecordBytes - 1))
    whole.labels.set(labels, at)
    at += labels.length
  }
  return whole
}

function recordsOf(file: string, bytes: Uint8Array, classes: number): Records {
  const count = recordsIn(file, bytes.length)
  const images = new Uint8Array(count * (cifar10RecordBytes - 1))
  const labels = new Uint16Array(count)
  for (let record = 0; record < count; record += 1) {
    const offset = record * cifar10RecordBytes
    const label = bytes[offset] as number
    if (label >= classes) {
      throw invalidFile({ file, offset, expected: `a label from 0 to ${classes - 1}`, found: `${label}` })
    }
    labels[record] = label
    images.set(bytes.subarray(offset + 1, offset + cifar10RecordBytes), record * (cifar10RecordBytes - 1))
  }
  return { images, labels }
}

async function readBytes(file: string): Promise<Uint8Array> {
  try {
    return await readFile(file)
  } catch (error) {
    throw invalidFile({ file, offset: 0, expected: 'a readable file', found: messageOf(error) }, error)
  }
}
