// Turns a run directory into a training job: spec, attempt, dataset, engine, and the checkpoint to go on from.
import { mkdir } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { TrainqlError } from '../shared/errors.ts'
import { attemptFile, checkpointsFolder, specFile } from '../shared/run-directory.ts'
import { allowedDeviceCounts, parseAttempt, parseRunSpec, type Attempt, type RunSpec } from '../shared/run-spec.ts'
import { removeUncounted } from './checkpoints/counted.ts'
import { removeUnfinished } from './checkpoints/save.ts'
import type { BuildProgress } from './datasets/cache/build.ts'
import { openDataset } from './datasets/open.ts'
import { openEngine } from './engines/open.ts'
import type { Engine } from './engine.ts'
import type { TrainingJob } from './loop.ts'
import { openResume, type OpenedResume } from './open-resume.ts'
import { isOver } from './ownership.ts'
import type { Progress } from './progress.ts'
import { readRunFile } from './run-file.ts'

export interface JobRequest {
  directory: string
  attempt: number
  /** Told the checkpoint that the run goes on from. */
  progress: Progress
  /** Told now and then how far the images are decoded, and once at the end; never where they are kept already. */
  onDecoding: (progress: BuildProgress) => void
  /** Told each checkpoint that was passed over because it is damaged. */
  onDamaged: (passed: { name: string; message: string; resumedFrom: string }) => void
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
  const spec = parseRunSpec(await readRunFile(specFile(directory)))
  const attempt = parseAttempt(await readRunFile(attemptFile(directory, number)))
  checkAgreement({ directory, number, spec, attempt })
  const checkpoints = checkpointsFolder(directory)
  await mkdir(checkpoints, { recursive: true })
  await removeUnfinished(checkpoints, (earlier) => earlier < number && isOver(directory, earlier))
  const uncounted = await removeUncounted(checkpoints, attempt)
  if (uncounted.length > 0) say(`removed, as no attempt that counts told of them: ${uncounted.join(', ')}`)

  const resume = attempt.resumeFrom === null ? null : await openResume(directory, attempt.resumeFrom)
  progress.lastCheckpoint = resume?.name ?? null
  if (resume !== null) tellResume(resume, request)
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
  const engine = await openEngine(spec.engine, attempt.devices, spec.precision)
  say(`engine ${engine.name} (${engine.detail}) on ${attempt.devices.map(({ name }) => name).join(', ')}`)
  if (resume !== null) tellOtherEngine(resume, { engine, say })
  return { spec, attempt, dataset, engine, resume: resume?.checkpoint ?? null, checkpoints }
}

/** Going on from an earlier checkpoint than asked for is never silent. */
function tellResume({ name, damaged }: OpenedResume, { onDamaged, say }: JobRequest): void {
  for (const { name: passed, message } of damaged) {
    say(`checkpoint ${passed} is damaged: ${message}`)
    onDamaged({ name: passed, message, resumedFrom: name })
  }
  say(`going on from checkpoint ${name}`)
}

function tellOtherEngine(
  { checkpoint }: OpenedResume,
  { engine, say }: { engine: Engine; say: JobRequest['say'] },
): void {
  const before = checkpoint.manifest.training.engine
  if (before.name === engine.name && before.detail === engine.detail) return
  say(
    `the checkpoint is of ${before.name} (${before.detail}): from here on the run is not bit-equal to one without a break`,
  )
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
