// The checkpoint that an attempt goes on from: the one it was told, or, where that one is damaged, the one before it.
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isTrainqlError, TrainqlError } from '../shared/errors.ts'
import { attemptFile, checkpointsFolder, findCheckpointNameParts } from '../shared/run-directory.ts'
import { parseAttempt, type Attempt } from '../shared/run-spec.ts'
import { loadResumable, type ResumableCheckpoint } from './checkpoints/load.ts'
import { weightsFile } from './checkpoints/manifest.ts'

export interface OpenedResume {
  name: string
  checkpoint: ResumableCheckpoint
  /** Those that were tried before it, and what is wrong with them. */
  damaged: { name: string; message: string }[]
}

/**
 * Tries the checkpoint, then those before it on the way that led to it: of its attempt, of the attempt which that one
 * went on from, and so on.
 * @throws TrainqlError `CHECKPOINT_INVALID` where none can be used: what is wrong with the one asked for.
 */
export async function openResume(
  directory: string,
  { name, sha256 }: NonNullable<Attempt['resumeFrom']>,
): Promise<OpenedResume> {
  if (findCheckpointNameParts(name) === null)
    throw invalid(`expected a checkpoint's name such as 1-00000235; found "${name}"`)
  const damaged: OpenedResume['damaged'] = []
  let first: TrainqlError | undefined
  for (const candidate of [name, ...(await namesBefore(directory, name))]) {
    try {
      const checkpoint = await loadResumable(join(checkpointsFolder(directory), candidate))
      const found = checkpoint.manifest.files[weightsFile].sha256
      if (candidate === name && found !== sha256)
        throw invalid(`${name}: expected weights with sha-256 ${sha256}; found ${found}`)
      return { name: candidate, checkpoint, damaged }
    } catch (error) {
      if (!isTrainqlError(error)) throw error
      first ??= error
      damaged.push({ name: candidate, message: error.message })
    }
  }
  throw first ?? invalid('there is no checkpoint')
}

/** Newest first. */
async function namesBefore(directory: string, name: string): Promise<string[]> {
  const { attempt, step } = findCheckpointNameParts(name) ?? { attempt: 0, step: 0 }
  if (attempt === 0) return []
  const own = (await readdir(checkpointsFolder(directory)))
    .flatMap((entry) => {
      const parts = findCheckpointNameParts(entry)
      return parts?.attempt === attempt && parts.step < step ? [{ entry, step: parts.step }] : []
    })
    .sort((a, b) => b.step - a.step)
    .map(({ entry }) => entry)
  const parent = await findParent(directory, attempt)
  return parent === null ? own : [...own, parent, ...(await namesBefore(directory, parent))]
}

/** What an earlier attempt was told to go on from; null where it began anew, or nothing tells. */
async function findParent(directory: string, attempt: number): Promise<string | null> {
  let text: string
  try {
    text = await readFile(attemptFile(directory, attempt), 'utf8')
  } catch {
    return null
  }
  const { resumeFrom } = parseAttempt(JSON.parse(text))
  const earlier = resumeFrom === null ? null : findCheckpointNameParts(resumeFrom.name)
  // Else the way back would have no end.
  return resumeFrom !== null && earlier !== null && earlier.attempt < attempt ? resumeFrom.name : null
}

function invalid(what: string): TrainqlError {
  return new TrainqlError({
    code: 'CHECKPOINT_INVALID',
    message: `Cannot resume: ${what}.`,
    fix: 'Resume from a checkpoint of this run.',
  })
}
