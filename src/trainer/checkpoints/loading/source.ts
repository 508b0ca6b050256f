// Opens what is to be loaded, a stranger's file or a checkpoint folder of ours, up to what a load plan needs of it.
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { TrainqlError } from '../../../shared/errors.ts'
import type { CheckpointFormat } from '../../../shared/load-report.ts'
import { readContent, type Facts, type FileContent } from '../content/content.ts'
import { invalidFile } from '../formats/file-bytes.ts'
import { isDict, isTensor } from '../formats/file-values.ts'
import { openTensorFile } from '../formats/open.ts'
import type { FileDict, FileTensor, TensorFile } from '../formats/tensor-file.ts'
import { readManifest } from '../load.ts'
import { optimizerFile, weightsFile, type Manifest } from '../manifest.ts'
import type { LoadSource } from './plan.ts'
import { resnetNames } from './recognise.ts'

export interface OpenedSource {
  source: LoadSource
  /** By their names in the file. */
  weights: ReadonlyMap<string, FileTensor>
  facts: Facts
  optimizer: OptimizerSource | null
  /** Of a checkpoint folder. */
  manifest: Manifest | null
  /** The file that holds the weights: the file itself, or the one in the folder. */
  weightsPath: string
  bytes: number
  /** A tensor's values as fp32, of the weights or the optimiser. */
  readFloats: (tensor: FileTensor) => Promise<Float32Array>
  close(): Promise<void>
}

/** Torch's own state dict, or tensors under our names. */
export type OptimizerSource =
  | { kind: 'TORCH'; dict: FileDict }
  | { kind: 'OURS'; settings: NonNullable<Manifest['optimizer']>; tensors: ReadonlyMap<string, FileTensor> }

/**
 * @throws TrainqlError `NOT_FOUND`; `CHECKPOINT_INVALID` where it cannot be read, holds no tensors, or is a folder and no
 * intact checkpoint.
 */
export async function openSource(path: string): Promise<OpenedSource> {
  const found = await stat(path).catch((error: unknown) => {
    throw new TrainqlError(
      {
        code: 'NOT_FOUND',
        message: `Expected a file or a checkpoint folder at ${path}; ${error instanceof Error ? error.message : String(error)}.`,
        fix: 'Name a file that is there and may be read.',
      },
      { cause: error },
    )
  })
  return found.isDirectory() ? openFolder(path) : openFile(path)
}

async function openFile(path: string): Promise<OpenedSource> {
  const file = await openTensorFile(path)
  try {
    const content = await readContent(file, { known: resnetNames, what: path })
    if (content === null) throw new NoTensors(path, file.format)
    const { optimizer, weights, facts } = content
    return {
      source: sourceOf(file, content),
      weights,
      facts,
      optimizer: optimizer === null ? null : { kind: 'TORCH', dict: optimizer },
      manifest: null,
      weightsPath: path,
      bytes: file.bytes,
      readFloats: (tensor) => file.readFloats(tensor),
      close: () => file.close(),
    }
  } catch (error) {
    await file.close()
    throw error
  }
}

/** The file could be read, and holds something else. */
export class NoTensors extends TrainqlError {
  readonly format: CheckpointFormat

  constructor(path: string, format: CheckpointFormat) {
    super({
      code: 'CHECKPOINT_INVALID',
      message: `${path}: expected tensors by name; found none in the file.`,
      fix: 'Save the state_dict() of the model; an optimiser, numbers, a lone tensor or a path are not enough.',
    })
    this.format = format
  }
}

async function openFolder(folder: string): Promise<OpenedSource> {
  const manifest = await readManifest(folder)
  const weightsPath = join(folder, weightsFile)
  const opened: TensorFile[] = []
  const close = async (): Promise<void> => {
    await Promise.all(opened.map((file) => file.close()))
  }
  try {
    const file = await openTensorFile(weightsPath)
    opened.push(file)
    const owner = new Map<FileTensor, TensorFile>()
    const tensorsOf = (of: TensorFile): Map<string, FileTensor> => {
      const tensors = new Map<string, FileTensor>()
      if (isDict(of.root)) {
        for (const [name, tensor] of of.root.entries) {
          if (typeof name !== 'string' || !isTensor(tensor)) continue
          tensors.set(name, tensor)
          owner.set(tensor, of)
        }
      }
      return tensors
    }
    const weights = tensorsOf(file)
    let optimizer: OptimizerSource | null = null
    if (manifest.optimizer !== null) {
      const state = await openTensorFile(join(folder, optimizerFile))
      opened.push(state)
      optimizer = { kind: 'OURS', settings: manifest.optimizer, tensors: tensorsOf(state) }
    }
    const { epoch, step, metrics, model } = manifest
    return {
      source: {
        format: 'TRAINQL',
        layout: 'STATE_DICT',
        foundAt: '',
        deviceTags: [],
        shapes: shapesOf(weights),
      },
      weights,
      facts: { epoch, step, arch: model.architecture.toLowerCase(), bestAccuracy: metrics?.accuracy ?? null },
      optimizer,
      manifest,
      weightsPath,
      bytes: file.bytes,
      readFloats: (tensor) => (owner.get(tensor) ?? file).readFloats(tensor),
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

function sourceOf({ format }: TensorFile, { layout, foundAt, deviceTags, weights }: FileContent): LoadSource {
  return { format, layout, foundAt, deviceTags, shapes: shapesOf(weights) }
}

function shapesOf(tensors: ReadonlyMap<string, FileTensor>): LoadSource['shapes'] {
  return new Map([...tensors].map(([name, { shape }]) => [name, shape]))
}

/**
 * Of the file with the weights.
 * @throws TrainqlError `CHECKPOINT_INVALID` where it is one of a checkpoint folder and not the one its manifest knows.
 */
export async function hashSource({ weightsPath, manifest }: OpenedSource): Promise<string> {
  const hash = createHash('sha256')
  for await (const piece of createReadStream(weightsPath, { highWaterMark: 1024 * 1024 })) hash.update(piece as Buffer)
  const sha256 = hash.digest('hex')
  const expected = manifest?.files[weightsFile].sha256
  if (expected !== undefined && expected !== sha256) {
    throw invalidFile(weightsPath, `sha-256 ${expected}, as ${basename(join(weightsPath, '..'))} says`, sha256)
  }
  return sha256
}
