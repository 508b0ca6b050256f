// Reads a checkpoint back, trusting nothing: every file's size and hash, every tensor's place.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isTrainqlError, TrainqlError } from '../../shared/errors.ts'
import type { OptimizerState, StateDict } from '../engine.ts'
import {
  isResumable,
  manifestFile,
  optimizerFile,
  parseManifest,
  weightsFile,
  type Manifest,
  type ResumableManifest,
} from './manifest.ts'
import { readVerifiedTensors } from './verified-tensors.ts'

export interface LoadedWeights {
  manifest: Manifest
  state: StateDict
}

export interface LoadedCheckpoint extends LoadedWeights {
  /** Null where the checkpoint has none. */
  optimizerState: OptimizerState | null
}

/** A checkpoint that a run can go on from. */
export interface ResumableCheckpoint extends LoadedCheckpoint {
  manifest: ResumableManifest
  optimizerState: OptimizerState
}

/** @throws TrainqlError `CHECKPOINT_INVALID`, naming the file, what was expected and what was found. */
export async function loadCheckpoint(folder: string): Promise<LoadedCheckpoint> {
  const { manifest, state } = await loadWeights(folder)
  const record = manifest.files[optimizerFile]
  if (manifest.optimizer === null || record === undefined) return { manifest, state, optimizerState: null }
  const tensors = await readVerifiedTensors(join(folder, optimizerFile), record)
  return { manifest, state, optimizerState: { step: manifest.optimizer.step, tensors } }
}

/** @throws TrainqlError `CHECKPOINT_INVALID`, as `loadCheckpoint`, and where no run wrote it. */
export async function loadResumable(folder: string): Promise<ResumableCheckpoint> {
  const { manifest, state, optimizerState } = await loadCheckpoint(folder)
  if (isResumable(manifest) && optimizerState !== null) return { manifest, state, optimizerState }
  throw new TrainqlError({
    code: 'CHECKPOINT_INVALID',
    message: `${folder}: expected a checkpoint that a run wrote; found one without its training state.`,
    fix: 'Begin a new run with its weights instead.',
  })
}

/**
 * A checkpoint without its optimiser state, which takes as much again and more.
 * @throws TrainqlError `CHECKPOINT_INVALID`, as `loadCheckpoint`.
 */
export async function loadWeights(folder: string): Promise<LoadedWeights> {
  const manifest = await readManifest(folder)
  return { manifest, state: await readVerifiedTensors(join(folder, weightsFile), manifest.files[weightsFile]) }
}

/** @throws TrainqlError `CHECKPOINT_INVALID` */
export async function readManifest(folder: string): Promise<Manifest> {
  const file = join(folder, manifestFile)
  const bytes = await readWhole(file)
  try {
    return parseManifest(JSON.parse(bytes.toString('utf8')))
  } catch (error) {
    if (error instanceof SyntaxError || isTrainqlError(error))
      throw invalid(file, 'a checkpoint manifest', error.message)
    throw error
  }
}

async function readWhole(file: string): Promise<Buffer> {
  try {
    return await readFile(file)
  } catch (error) {
    throw invalid(file, 'a readable file', error instanceof Error ? error.message : String(error))
  }
}

function invalid(file: string, expected: string, found: string): TrainqlError {
  return new TrainqlError({
    code: 'CHECKPOINT_INVALID',
    message: `${file}: expected ${expected}; found ${found}.`,
    fix: 'Continue from another checkpoint of the run.',
  })
}
