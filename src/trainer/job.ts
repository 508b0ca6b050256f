// Turns a run directory into a training job: spec, attempt, dataset, engine, and the checkpoint to go on from.
import { mkdir, readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { TrainqlError } from '../shared/errors.ts'
import { attemptFile, checkpointsFolder, specFile } from '../shared/run-directory.ts'
import { allowedDeviceCounts, parseAttempt, parseRunSpec, type Attempt, type RunSpec } from '../shared/run-spec.ts'
import { loadResumable, type ResumableCheckpoint } from './checkpoints/load.ts'
import { weightsFile } from './checkpoints/manifest.ts'
import { removeUnfinished } from './checkpoints/save.ts'
import type { BuildProgress } from './datasets/cache/build.ts'
import { openDataset } from './datasets/open.ts'
import { openEngine } from './engines/open.ts'
import type { TrainingJob } from './loop.ts'
import { isOver } from './ownership.ts'
import type { Progress } from './progress.ts'

export interface JobRequest {
  directory: string
  attempt: number
  /** Told the checkpoint that the run goes on from. */
  progress: Progress
  /** Told now and then how far the images are decoded, and once at the end; never where they are kept already. */
  onDecoding: (progress: BuildProgress) => void
  /** Aborted = leave; its reason is thrown. */
  stop: AbortSignal
  say: (line: string) => void
}

export type OpenedJob = Pick<TrainingJob, 'spec' | 'attempt' | 'dataset' | 'engine' | 'resume' | 'checkpoints'>

/**
 * @throws TrainqlError `RUN_DIRECTORY_INVALID`, `INVALID_INPUT`, `DATASET_NOT_FOUND`, `DATASET_INVALID`,
 * `CHECKPOINT_INVALID`, `ENGINE_UNAVAILABLE`, `DISK_FULL`; the signal's reason where it stops.
 */
export async function openJob(request: JobRequest): Promise<OpenedJob> {
  const { directory, attempt: number, progress, stop, say } = request
  const spec = parseRunSpec(await readJson(specFile(directory)))
  const attempt = parseAttempt(await readJson(attemptFile(directory, number)))
  checkAgreement({ directory, number, spec, attempt })
  const checkpoints = checkpointsFolder(directory)
  await mkdir(checkpoints, { recursive: true })
  await removeUnfinished(checkpoints, (earlier) => earlier < number && isOver(directory, earlier))

  const resume = attempt.resumeFrom === null ? null : await openResume(checkpoints, attempt.resumeFrom)
  progress.lastCheckpoint = attempt.resumeFrom?.name ?? null
  const dataset = await openDataset(spec.dataset, attempt.datasetRoots, {
    cacheFolder: attempt.cacheFolder ?? join(directory, 'cache'),
    imageSize: spec.imageSize,
    randomScale: (spec.augmentation?.randomResizedCrop ?? null) !== null,
    onCorruptImage: spec.onCorruptImage,
    stop,
    onProgress: tellProgress(request),
    say,
  })
  say(`dataset ${dataset.name}: ${dataset.train.count} training and ${dataset.validation.count} validation images`)
  const engine = await openEngine(spec.engine, attempt.devices)
  say(`engine ${engine.name} (${engine.detail}) on ${attempt.devices.map(({ name }) => name).join(', ')}`)
  return { spec, attempt, dataset, engine, resume, checkpoints }
}

const decodingEventsEveryMs = 5_000

/** Decoding may take long: seen from outside, by heartbeat and events, it gets on. */
function tellProgress({ progress, onDecoding }: JobRequest): (decoding: BuildProgress | null) => void {
  let toldAt = performance.now()
  return (decoding) => {
    progress.advance(progress.epoch, progress.step)
    if (decoding === null) return
    const now = performance.now()
    if (decoding.done < decoding.total && now - toldAt < decodingEventsEveryMs) return
    toldAt = now
    onDecoding(decoding)
  }
}

async function readJson(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, 'utf8'))
  } catch (error) {
    throw new TrainqlError(
      {
        code: 'RUN_DIRECTORY_INVALID',
        message: `${file}: expected a JSON file; ${error instanceof Error ? error.message : String(error)}.`,
        fix: 'Create the run again.',
      },
      { cause: error },
    )
  }
}

interface Agreement {
  directory: string
  number: number
  spec: RunSpec
  attempt: Attempt
}

/** Spec, attempt and directory were written apart: they must speak of one run, and fit each other. */
function checkAgreement({ directory, number, spec, attempt }: Agreement): void {
  const facts: [what: string, expected: string | number, found: string | number][] = [
    ['runId of spec.json (as the folder)', basename(directory), spec.runId],
    [`runId of attempt.${number}.json`, spec.runId, attempt.runId],
    [`attempt of attempt.${number}.json`, number, attempt.attempt],
  ]
  for (const [what, expected, found] of facts) {
    if (expected === found) continue
    throw new TrainqlError({
      code: 'RUN_DIRECTORY_INVALID',
      message: `${directory}: expected ${what} to be ${expected}; found ${found}.`,
      fix: 'Do not move or edit run directories.',
    })
  }
  const allowed = allowedDeviceCounts(spec.shards)
  if (!allowed.includes(attempt.devices.length)) {
    throw new TrainqlError({
      code: 'INVALID_INPUT',
      field: 'devices',
      message: `Expected ${allowed.join(', ')} devices for ${spec.shards} shards; got ${attempt.devices.length}.`,
      fix: `Give the attempt ${allowed.join(', ')} devices.`,
    })
  }
}

async function openResume(
  checkpoints: string,
  { name, sha256 }: NonNullable<Attempt['resumeFrom']>,
): Promise<ResumableCheckpoint> {
  if (!/^\d+-\d{8,}$/.test(name))
    throw invalidResume(`expected a checkpoint's name such as 1-00000235; found "${name}"`)
  const loaded = await loadResumable(join(checkpoints, name))
  const found = loaded.manifest.files[weightsFile].sha256
  if (found !== sha256) throw invalidResume(`${name}: expected weights with sha-256 ${sha256}; found ${found}`)
  return loaded
}

function invalidResume(what: string): TrainqlError {
  return new TrainqlError({
    code: 'CHECKPOINT_INVALID',
    message: `Cannot resume: ${what}.`,
    fix: 'Resume from a checkpoint of this run.',
  })
}
