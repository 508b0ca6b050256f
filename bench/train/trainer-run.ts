// Runs the real trainer process on a run directory of its own, as the server does, and gives back its events.
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { entryCommand } from '../../src/shared/entry.ts'
import { isTrainqlError } from '../../src/shared/errors.ts'
import { parseTrainerEvent, type TrainerEvent } from '../../src/shared/events.ts'
import { attemptFile, eventsFile, specFile } from '../../src/shared/run-directory.ts'
import { parseRunSpec } from '../../src/shared/run-spec.ts'
import { BenchError } from '../bench.ts'

export interface TrainerRun {
  /** Run spec without identity and devices. */
  spec: Record<string, unknown>
  /** Cores of each device. */
  devices: readonly (readonly number[])[]
  dataRoots: readonly string[]
}

const runId = 'bench'
const withinMs = 900_000

/** @throws BenchError where the spec is refused or the trainer fails, with its own words. */
export async function runTrainer({ spec, devices, dataRoots }: TrainerRun): Promise<TrainerEvent[]> {
  const home = await mkdtemp(join(tmpdir(), 'trainql-bench-'))
  try {
    const directory = join(home, runId)
    const names = devices.map((_, index) => `cpu:${index}`)
    const attempt = {
      runId,
      attempt: 1,
      devices: devices.map((cores, index) => ({ kind: 'CPU', name: names[index], cores })),
      datasetRoots: dataRoots,
    }
    await mkdir(directory)
    await writeFile(specFile(directory), JSON.stringify(checked({ ...spec, runId, devices: { kind: 'NAMED', names } })))
    await writeFile(attemptFile(directory, 1), JSON.stringify(attempt))
    await train(directory)
    const lines = (await readFile(eventsFile(directory, 1), 'utf8')).trimEnd().split('\n')
    return lines.map((line) => parseTrainerEvent(JSON.parse(line)))
  } finally {
    await rm(home, { recursive: true, force: true })
  }
}

function checked(spec: unknown): unknown {
  try {
    return parseRunSpec(spec)
  } catch (error) {
    if (isTrainqlError(error)) throw new BenchError(`${error.message} ${error.fix}`)
    throw error
  }
}

async function train(directory: string): Promise<void> {
  const [command, ...entry] = entryCommand(new URL('../../src/trainer/main.ts', import.meta.url))
  try {
    await promisify(execFile)(command, [...entry, directory, '1'], { timeout: withinMs })
  } catch (error) {
    const words = error instanceof Error && 'stderr' in error ? String(error.stderr).trimEnd() : ''
    throw new BenchError(`The trainer failed: ${words === '' ? String(error) : words}`)
  }
}

const datasetName = 'fashion-mnist'

export interface FashionMnist {
  dataset: string
  dataRoots: readonly string[]
  folder: string
}

/** `TRAINQL_DATA`, then ../shared/data beside the repository. */
function defaultRoots(): string[] {
  const named = (process.env['TRAINQL_DATA'] ?? '').split(delimiter).filter((root) => root !== '')
  return [...named, fileURLToPath(new URL('../../../shared/data', import.meta.url))]
}

/** @throws BenchError where the folder is in none of the roots: what needs it has no figure then. */
export function findFashionMnist(dataRoots: readonly string[] = defaultRoots()): FashionMnist {
  const root = dataRoots.find((candidate) => existsSync(join(candidate, datasetName)))
  if (root !== undefined) return { dataset: datasetName, dataRoots, folder: join(root, datasetName) }
  throw new BenchError(
    `Fashion-MNIST is absent: there is no folder ${datasetName} in ${dataRoots.join(', ')}. ` +
      'Put its four IDX files there, or name the folder above it in TRAINQL_DATA.',
  )
}
