// Trains some steps of a run again from one of its checkpoints and holds them to the run's own record, to the bit. Writes
// nothing into the run directory.
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, rm, symlink } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import type { CheckpointProof } from '../../shared/checkpoint-tool.ts'
import { invalidInput, type TrainqlError } from '../../shared/errors.ts'
import { attemptFile, checkpointsFolder, findCheckpointNameParts, specFile } from '../../shared/run-directory.ts'
import { checkDeviceCount, parseAttempt, parseRunSpec, type Attempt, type RunSpec } from '../../shared/run-spec.ts'
import { loadResumable, type ResumableCheckpoint } from '../checkpoints/load.ts'
import { markUnfinished } from '../checkpoints/unfinished.ts'
import type { Dataset } from '../datasets/dataset.ts'
import { openDataset } from '../datasets/open.ts'
import type { Engine } from '../engine.ts'
import { openEngine } from '../engines/open.ts'
import { finiteOrNull } from '../non-finite.ts'
import { readRunFile } from '../run-file.ts'
import { openTraining, type Training } from '../training.ts'
import { findDifference } from './compare.ts'
import { listCheckpoints, readRunRecord, type RunRecord } from './record.ts'

export interface ProofRequest {
  runDirectory: string
  /** Name of the checkpoint to begin at; null: the initial weights. */
  checkpoint: string | null
  /** Null: to the run's next checkpoint, or the end of its record. */
  steps: number | null
  /** Null: as the run did. */
  devices: number | null
}

/**
 * @throws TrainqlError `RUN_DIRECTORY_INVALID`; `INVALID_INPUT`, also where there is nothing to compare; `CHECKPOINT_INVALID`
 * where a checkpoint is absent or damaged; what opening dataset and engine throws.
 */
export async function prove(request: ProofRequest): Promise<CheckpointProof> {
  const { runDirectory, checkpoint } = request
  const spec = parseRunSpec(await readRunFile(specFile(runDirectory)))
  const attempt = parseAttempt(await readRunFile(attemptFile(runDirectory, attemptOf(checkpoint))))
  const resume = checkpoint === null ? null : await loadResumable(join(checkpointsFolder(runDirectory), checkpoint))
  const from = resume?.manifest.step ?? 0
  const checkpoints = await listCheckpoints(runDirectory)
  const range = { from, to: lastStep({ from, steps: request.steps, checkpoints }) }
  const record = await readRunRecord(runDirectory, range)
  const to = range.to ?? record.lastStep
  const target = checkpoints.get(to) ?? null
  if (to <= from || (record.losses.get(to) === undefined && target === null))
    throw nothingRecorded(request, record.lastStep)
  const devices = devicesOf(attempt, { wanted: request.devices, spec })
  const engine = await openEngine(spec.engine, devices, spec.precision)
  const cache = await openCache(runDirectory, attempt)
  try {
    const dataset = await openDataset(spec.dataset, attempt.datasetRoots, {
      cacheFolder: cache.folder,
      imageSize: spec.imageSize,
      randomScale: (spec.augmentation?.randomResizedCrop ?? null) !== null,
      onCorruptImage: spec.onCorruptImage,
    })
    const training = await openTraining({ spec, devices, dataset, engine, resume, initialFrom: attempt.initialFrom })
    try {
      const expected = target === null ? null : await loadResumable(join(checkpointsFolder(runDirectory), target))
      const replay = await replayLosses(training, { record, from, to })
      const tensors = replay.difference === null && expected !== null ? await compareTensors(training, expected) : null
      const firstDifference = replay.difference ?? tensors?.difference ?? null
      return {
        checkpoint,
        fromStep: from,
        toStep: to,
        devices: devices.map(({ name }) => name),
        lossesCompared: replay.compared,
        comparedWith: tensors === null ? null : target,
        tensorsCompared: tensors?.compared ?? 0,
        matches: firstDifference === null,
        firstDifference,
        caveats: caveatsOf({ record, engine, dataset, attempts: replay.attempts, ends: [resume, expected] }),
      }
    } finally {
      await training.close()
    }
  } finally {
    await cache.close()
  }
}

interface Replay {
  compared: number
  /** Whose losses were compared. */
  attempts: ReadonlySet<number>
  difference: CheckpointProof['firstDifference']
}

interface Course {
  record: RunRecord
  from: number
  to: number
}

/** Steps `from + 1` to `to`; ends at the first loss that is another. */
async function replayLosses(training: Training, { record, from, to }: Course): Promise<Replay> {
  const { session, batches, rateAt } = training
  const { stepsPerEpoch } = batches
  const attempts = new Set<number>()
  let compared = 0
  for (let step = from + 1; step <= to; step += 1) {
    const epoch = Math.ceil(step / stepsPerEpoch)
    const batch = await batches.training(epoch, step - 1 - (epoch - 1) * stepsPerEpoch)
    const { loss } = await session.step(batch, rateAt(step))
    const found = finiteOrNull(loss)
    for (const { attempt, loss: expected } of record.losses.get(step) ?? []) {
      compared += 1
      attempts.add(attempt)
      if (expected === found) continue
      return { compared, attempts, difference: { what: `loss in attempt ${attempt}`, step, expected, found } }
    }
  }
  return { compared, attempts, difference: null }
}

interface TensorComparison {
  compared: number
  difference: CheckpointProof['firstDifference']
}

async function compareTensors({ session }: Training, expected: ResumableCheckpoint): Promise<TensorComparison> {
  const { step } = expected.manifest
  const state = await session.readState()
  const optimizerState = await session.readOptimizerState()
  const difference =
    findDifference(expected.state, state) ?? findDifference(expected.optimizerState.tensors, optimizerState.tensors)
  return {
    compared: expected.state.size + expected.optimizerState.tensors.size,
    difference: difference && { ...difference, step },
  }
}

function attemptOf(checkpoint: string | null): number {
  if (checkpoint === null) return 1
  const parts = findCheckpointNameParts(checkpoint)
  if (parts !== null) return parts.attempt
  throw invalidInput({
    field: 'checkpoint',
    message: `Expected the name of a checkpoint of the run, such as 1-00000235; got ${JSON.stringify(checkpoint)}.`,
    fix: "Pass the name of a folder in the run's checkpoints.",
  })
}

interface Range {
  from: number
  steps: number | null
  checkpoints: ReadonlyMap<number, string>
}

/** Null: where the log ends. */
function lastStep({ from, steps, checkpoints }: Range): number | null {
  if (steps !== null) return from + steps
  const later = [...checkpoints.keys()].filter((step) => step > from)
  return later.length > 0 ? Math.min(...later) : null
}

function nothingRecorded({ checkpoint, steps }: ProofRequest, lastStep: number): TrainqlError {
  return invalidInput({
    field: steps === null ? 'checkpoint' : 'steps',
    message:
      `Expected steps behind ${checkpoint ?? 'the initial weights'} that the run has a record of; ` +
      `it ends at step ${lastStep}.`,
    fix: 'Choose an earlier checkpoint, or fewer steps.',
  })
}

interface DeviceWish {
  wanted: number | null
  spec: RunSpec
}

/** The attempt's own devices where this machine has them; else as many of the cores that are here. */
function devicesOf({ devices }: Attempt, { wanted, spec }: DeviceWish): Attempt['devices'] {
  const count = wanted ?? devices.length
  checkDeviceCount(count, spec.shards)
  const cores = cpus().length
  const here = devices.every((device) => device.kind === 'CUDA' || device.cores.every((core) => core < cores))
  if (count <= devices.length && here) return devices.slice(0, count)
  if (devices.some(({ kind }) => kind === 'CUDA')) {
    throw invalidInput({
      field: 'devices',
      message: `Expected at most ${devices.length} devices, as the run had; got ${count}.`,
      fix: `Ask for ${devices.length} or fewer.`,
    })
  }
  return Array.from({ length: count }, (_, index) => ({ kind: 'CPU', name: `cpu:${index}`, cores: [index % cores] }))
}

interface Cache {
  folder: string
  close(): Promise<void>
}

/** Images that the run directory itself keeps are read from there; what is written goes into a folder of its own. */
async function openCache(runDirectory: string, { cacheFolder }: Attempt): Promise<Cache> {
  if (cacheFolder !== null) return { folder: cacheFolder, close: () => Promise.resolve() }
  const folder = await mkdtemp(join(tmpdir(), 'trainql-prove-'))
  const unmark = markUnfinished(folder)
  const kept = join(runDirectory, 'cache')
  if (existsSync(kept)) for (const name of await readdir(kept)) await symlink(join(kept, name), join(folder, name))
  return {
    folder,
    async close() {
      await rm(folder, { recursive: true, force: true })
      unmark()
    },
  }
}

interface Evidence {
  record: RunRecord
  engine: Engine
  dataset: Dataset
  /** Whose losses were compared. */
  attempts: ReadonlySet<number>
  /** The checkpoints at both ends. */
  ends: readonly (ResumableCheckpoint | null)[]
}

function caveatsOf({ record, engine, dataset, attempts, ends }: Evidence): string[] {
  const here = `${engine.name} (${engine.detail})`
  const there = new Set([
    ...[...attempts].flatMap((attempt) => record.engines.get(attempt) ?? []),
    ...ends.flatMap((end) =>
      end === null ? [] : `${end.manifest.training.engine.name} (${end.manifest.training.engine.detail})`,
    ),
  ])
  there.delete(here)
  const caveats = [...there].map(
    (other) => `The run was computed by ${other}, this by ${here}: they need not agree to the bit.`,
  )
  const changed = ends.some(
    (end) =>
      end !== null &&
      end.manifest.data !== null &&
      JSON.stringify(end.manifest.data.normalisation) !== JSON.stringify(dataset.normalisation),
  )
  if (changed) caveats.push('The images of the dataset have changed since.')
  return caveats
}
