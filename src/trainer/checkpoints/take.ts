// Takes the checkpoints of a run: looks for room, writes the files, tells the log, and clears away what the policy no
// longer keeps.
import { isTrainqlError } from '../../shared/errors.ts'
import { checkpointName } from '../../shared/run-directory.ts'
import type { Attempt, RunSpec } from '../../shared/run-spec.ts'
import type { Dataset } from '../datasets/dataset.ts'
import { checkRoom, checkpointBytes } from '../disk-room.ts'
import type { Engine, OptimizerState, Session, StateDict } from '../engine.ts'
import type { EventLog } from '../event-log.ts'
import { finiteOrNull, nonFinite } from '../non-finite.ts'
import type { Progress } from '../progress.ts'
import type { Training } from '../training.ts'
import type { ResumableCheckpoint } from './load.ts'
import { parentOf, type Manifest } from './manifest.ts'
import { createHousekeeper } from './removal.ts'
import { saveCheckpoint, type CheckpointContent, type SavedCheckpoint } from './save.ts'
import { findNonFinite } from './state-dict.ts'

/** Where a run stands: `epoch` (from 1) is under way with `step` of its steps done. */
export interface Position {
  epoch: number
  step: number
  /** Of the losses of those steps. */
  lossSum: number
  /** Of the epoch just complete; null inside one. */
  metrics: Manifest['metrics']
}

export interface CheckpointedJob {
  spec: RunSpec
  attempt: Attempt
  dataset: Dataset
  engine: Engine
  /** The checkpoint to go on from; null = from initial weights. */
  resume: ResumableCheckpoint | null
  /** The run's `checkpoints/`, which exists. */
  checkpoints: string
  events: EventLog
  progress: Progress
  /** Throws where the attempt is over, and nothing more is to be written. Default: it never is. */
  checkFence?: () => void
  /** For a line of text that people read. */
  say: (line: string) => void
}

export interface CheckpointTaker {
  /**
   * Writes a checkpoint and then its event, once a step. Weights that are not finite are never written.
   * @param last Nothing is trained behind it: where it does not fit on the disk, that is an error whatever the policy.
   * @throws TrainqlError `NON_FINITE_LOSS`, `DISK_FULL` by the run's policies.
   */
  take(position: Position, last?: boolean): Promise<void>
  /** Removes what an earlier attempt was about to remove when it was killed. */
  tidyUp(): Promise<void>
}

export function createCheckpointTaker(job: CheckpointedJob, training: Training): CheckpointTaker {
  const { spec, attempt, dataset, engine, events, progress, say } = job
  const { graph, session, totalSteps } = training
  const policy = spec.checkpoints
  const bytes = checkpointBytes(graph, spec.optimizer)
  const housekeeper = createHousekeeper(job.checkpoints, { policy, attempt, say })

  async function take({ epoch, step, lossSum, metrics }: Position, last = false): Promise<void> {
    const at = { epoch: epoch - 1, step: progress.step }
    const name = checkpointName(attempt.attempt, at.step)
    if (name === progress.lastCheckpoint) return
    job.checkFence?.()
    const content = await readFiniteContent(session, { policy: spec.onNonFinite, step: at.step })
    if (content === null) {
      say(`no checkpoint at step ${at.step}: the weights are not finite`)
      return
    }
    const { state, optimizerState } = content
    const manifest: Omit<Manifest, 'files'> = {
      formatVersion: 2,
      runId: spec.runId,
      attempt: attempt.attempt,
      ...at,
      model: { architecture: spec.model.architecture, classes: graph.classes, input: { ...graph.input } },
      data: {
        dataset: dataset.name,
        classNames: [...dataset.classes],
        normalisation: { mean: [...dataset.normalisation.mean], deviation: [...dataset.normalisation.deviation] },
        margin: dataset.margin ?? false,
      },
      metrics,
      training: {
        sampler: { seed: spec.seed, epoch, step, lossSum: finiteOrNull(lossSum) },
        schedule: { ...spec.schedule, learningRate: spec.learningRate, totalSteps },
        engine: { name: engine.name, detail: engine.detail },
      },
      optimizer: { ...spec.optimizer, step: optimizerState.step },
      parent: job.resume === null ? initialParent(spec) : parentOf(job.resume.manifest),
      importedFrom: null,
    }
    const confirm = { confirm: () => job.checkFence?.() }
    const saved = await save(name, { manifest, state, optimizerState, ...confirm }, last)
    progress.advance(progress.epoch, progress.step)
    if (saved === null) return
    progress.lastCheckpoint = name
    events.append({ type: 'checkpoint', ...saved, ...at })
    events.sync()
    say(`checkpoint ${name}: ${saved.bytes} bytes, sha-256 ${saved.sha256}`)
    // What a newer attempt goes on from is not this one's to remove.
    job.checkFence?.()
    await remove(await housekeeper.setAside())
  }

  /** Null where there was no room, and the run goes on without. */
  async function save(name: string, content: CheckpointContent, last: boolean): Promise<SavedCheckpoint | null> {
    try {
      await checkRoom(job.checkpoints, { bytes, what: `the checkpoint ${name}` })
      return await saveCheckpoint(job.checkpoints, name, content)
    } catch (error) {
      if (!isTrainqlError(error) || error.code !== 'DISK_FULL') throw error
      const { code, message, fix } = error
      const { epoch, step } = content.manifest
      events.append({ type: 'checkpointFailed', name, epoch, step, code, message, fix })
      events.sync()
      say(`checkpoint ${name} was not written: ${message} ${fix}`)
      if (last || policy.onDiskFull === 'FAIL') throw error
      return null
    }
  }

  /** The log says so before the room is free: what it has not said yet is found by the next attempt. */
  async function remove(names: readonly string[]): Promise<void> {
    if (names.length === 0) return
    events.append({ type: 'checkpointsRemoved', names: [...names] })
    events.sync()
    await housekeeper.discard()
    say(`removed, as the run's policy says: ${names.join(', ')}`)
  }

  return { take, tidyUp: async () => remove(await housekeeper.findSetAside()) }
}

function initialParent({ initialise }: RunSpec): Manifest['parent'] {
  if (initialise.kind === 'RANDOM') return null
  return { checkpoint: initialise.checkpoint, sha256: initialise.sha256 }
}

interface SessionContent {
  state: StateDict
  optimizerState: OptimizerState
}

/** A finite loss may still leave weights that are not: null then, or an error where the policy is to stop. */
async function readFiniteContent(
  session: Session,
  { policy, step }: { policy: RunSpec['onNonFinite']; step: number },
): Promise<SessionContent | null> {
  const state = await session.readState()
  const optimizerState = await session.readOptimizerState()
  const tensor = findNonFinite(state) ?? findNonFinite(optimizerState.tensors)
  if (tensor === null) return { state, optimizerState }
  if (policy === 'STOP') throw nonFinite(`"${tensor}" holds values that are not finite`, step)
  return null
}
