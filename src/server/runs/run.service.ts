// Rules of runs: what may be asked for, and who is asked to carry it out.
import { invalidInput, TrainqlError } from '../../shared/errors.ts'
import { checkAugmentationSize, type ImageSize } from '../../shared/augmentation.ts'
import { type RunPlan, stepsPerEpoch } from '../../shared/run-plan.ts'
import { checkWarmUp } from '../../shared/recipe.ts'
import { parseRunSpec, sessionShards, type RunSpec } from '../../shared/run-spec.ts'
import type { DatasetInfo } from '../../shared/datasets.ts'
import { invalidDataset } from '../../shared/datasets/dataset-info.ts'
import { resnet } from '../../trainer/models/resnet.ts'
import type { PageRequest } from '../page.ts'
import type { CheckpointRecord } from '../checkpoints/checkpoint.record.ts'
import type { CheckpointImportService } from '../checkpoints/checkpoint-import.service.ts'
import type { CheckpointService } from '../checkpoints/checkpoint.service.ts'
import type { DatasetService } from '../datasets/dataset.service.ts'
import type { DeviceService } from '../devices/device.service.ts'
import type { EngineService } from '../engines/engine.service.ts'
import type { Limit } from '../limit.ts'
import { createSortableId } from '../../shared/sortable-id.ts'
import { checkOwn, getRun, type RunControl } from './run-control.service.ts'
import { asForkError, checkForkWish, forkedRequest, forkedSpec, type ForkWish } from './run-fork.ts'
import type { RunFilter } from './run-filter.ts'
import type { RunRecord } from './run.record.ts'
import { withDefaultWarmUp, withFittingWarmUp } from './recipe-defaults.ts'
import { isAbsent } from './recipe-request.ts'
import { checkInitialise, checkInitialiseRequest, type InitialFacts, publishedFacts } from './run-initialise.ts'
import { specOf, type RunRequest } from './run-request.ts'
import type { RunStore } from './run.store.ts'

/** Carries runs out; the scheduling room implements it. */
export interface RunCarrier extends RunControl {
  /** Makes the run's directory and row and queues it; on return both are durable. */
  submit(spec: RunSpec, submission: Submission): Promise<void>
  /** Why a queued run still waits; null where it does not, or has not been looked at yet. */
  waiting(runId: string): WaitingRun | null
}

/** Tells what is expected of a run; the planning room implements it. */
export interface RunPlanner {
  /** Never rejects; null where nobody can tell. */
  tryPlan(spec: RunSpec, dataset: DatasetInfo): Promise<RunPlan | null>
}

export interface WaitingRun {
  /** What it waits for. */
  words: string
  /** In the queue, from 1; null for a run that cannot start as things are, whoever is before it. */
  position: number | null
  /** Null where nobody can tell. */
  expectedStart: Date | null
}

export interface Submission {
  createdAt: Date
  /** What is expected of it; null where nobody can tell. */
  plan: RunPlan | null
  /** Id of the run whose own copy of the first weights it begins with; null: none. */
  initialOf: string | null
}

export interface RunService {
  find(id: string): Promise<RunRecord | null>
  findMany(ids: readonly string[]): Promise<RunRecord[]>
  /** Newest first; up to `limit + 1` rows. */
  page(page: PageRequest<string>, filter: RunFilter): Promise<RunRecord[]>
  count(filter: RunFilter): Promise<number>
  /**
   * The spec of a run as it would be created, checked as `create` does; nothing is fetched or written.
   * @throws TrainqlError as `create`
   */
  draft(request: RunRequest, initial: string | null): Promise<{ spec: RunSpec; dataset: DatasetInfo }>
  /**
   * Queues a run; `initial` is the key of the checkpoint that it names to begin with. Where it throws, nothing is left: no row, no folder, no process.
   * @throws TrainqlError `INVALID_INPUT`, `NOT_FOUND`, `DATASET_NOT_FOUND`, `DATASET_INVALID`, `DEVICE_UNAVAILABLE`,
   * `ENGINE_UNAVAILABLE`, `CONFLICT` (the server is stopping)
   */
  create(request: RunRequest, initial: string | null): Promise<RunRecord>
  /**
   * Queues a new run that is made from this one: its spec with changes, from a checkpoint of it or from where it began.
   * What becomes of the origin then is nothing to the fork.
   * @throws TrainqlError as `create`
   */
  fork(id: string, wish: ForkWish): Promise<RunRecord>
  waiting(id: string): WaitingRun | null
}

export interface RunServiceDeps {
  store: RunStore
  devices: DeviceService
  datasets: DatasetService
  engines: EngineService
  checkpoints: CheckpointService
  imports: CheckpointImportService
  /** Taken one at a time with the deletion of checkpoints. */
  guard: Limit
  carrier: RunCarrier
  planner: RunPlanner
  now: () => Date
}

export function createRunService(deps: RunServiceDeps): RunService {
  const { store, devices, datasets, engines, checkpoints, imports, guard, carrier, planner, now } = deps

  /** What a run is to begin with, as far as that can be told before it is fetched; null: random weights. */
  async function findInitial(request: RunRequest['initialise'], key: string | null): Promise<InitialFacts | null> {
    if (isAbsent(request)) return null
    checkInitialiseRequest(request)
    const { pretrained } = request
    return isAbsent(pretrained) ? checkpoints.get(key ?? '') : publishedFacts(pretrained)
  }

  async function check(spec: RunSpec, dataset: DatasetInfo, initial: InitialFacts | null): Promise<void> {
    if (initial !== null) checkInitialise(spec, initial, dataset)
    checkImages(spec, dataset)
    checkSize(spec, dataset)
    checkWarmUp(spec.schedule, spec.epochs * stepsPerEpoch(spec, dataset))
    await engines.check(spec, await devices.check(spec.devices))
  }

  async function draft(request: RunRequest, key: string | null) {
    const initial = await findInitial(request.initialise, key)
    const asked = parseRunSpec(specOf(request, createSortableId(now()), initial))
    const dataset = await datasets.get(asked.dataset)
    const spec = withDefaultWarmUp(asked, request, dataset)
    await check(spec, dataset, initial)
    return { spec, initial, dataset }
  }

  /** `initial`: the checkpoint that it begins with; null: none, or one that is kept for a run already. */
  async function submit(spec: RunSpec, initial: InitialFacts | null, submission: Submission): Promise<RunRecord> {
    if (initial === null) await carrier.submit(spec, submission)
    else {
      await guard(async () => {
        // It may have been deleted meanwhile; once the run is queued it is safe.
        await checkpoints.get(initial.key)
        await carrier.submit(spec, submission)
      })
    }
    return getRun(store, spec.runId)
  }

  async function findForkPoint(origin: RunRecord, wish: ForkWish): Promise<CheckpointRecord | null> {
    if (wish.checkpoint !== null) return checkOwn(origin, await checkpoints.get(wish.checkpoint))
    return wish.initialWeights ? null : checkpoints.findLast(origin.id)
  }

  return {
    find: (id) => store.find(id),
    findMany: (ids) => store.findMany(ids),
    page: (page, filter) => store.page(page, filter),
    count: (filter) => store.count(filter),
    draft,
    async create(request, key) {
      const { pretrained = null } = request.initialise ?? {}
      const { initial: named, dataset } = await draft(request, key)
      // Published weights may have to be fetched, which nothing that was declined should do.
      const initial = pretrained === null ? named : await imports.getPretrained(pretrained)
      const createdAt = now()
      const asked = parseRunSpec(specOf(request, createSortableId(createdAt), initial))
      const spec = withDefaultWarmUp(asked, request, dataset)
      return submit(spec, initial, { createdAt, plan: await planner.tryPlan(spec, dataset), initialOf: null })
    },
    async fork(id, wish) {
      const origin = await getRun(store, id)
      const createdAt = now()
      try {
        checkForkWish(wish)
        const checkpoint = await findForkPoint(origin, wish)
        const asked = parseRunSpec(forkedSpec(origin.spec, { runId: createSortableId(createdAt), wish, checkpoint }))
        const dataset = await datasets.get(asked.dataset)
        const spec =
          wish.changes.schedule === undefined
            ? withFittingWarmUp(asked, dataset)
            : withDefaultWarmUp(asked, forkedRequest(origin.spec, wish), dataset)
        // What the origin began with may have been deleted since; the origin keeps it, and so does the fork.
        const kept = checkpoint === null && origin.initialFrom !== null
        await check(spec, dataset, kept ? await checkpoints.find(origin.initialFrom ?? '') : checkpoint)
        const plan = await planner.tryPlan(spec, dataset)
        return await submit(spec, checkpoint, { createdAt, plan, initialOf: kept ? id : null })
      } catch (error) {
        throw asForkError(error)
      }
    },
    waiting: (id) => carrier.waiting(id),
  }
}

function checkImages(spec: RunSpec, dataset: DatasetInfo): void {
  const [only, ...others] = dataset.classes
  if (others.length === 0) {
    throw invalidDataset({
      message: `${dataset.name}: expected at least 2 classes to tell apart; found ${only === undefined ? 'none' : `1, "${only}"`}.`,
      fix: 'Put the images of each class into a folder of its own, such as train/cat/ and train/dog/.',
    })
  }
  for (const field of ['trainImages', 'validationImages'] as const) {
    const wanted = spec[field]
    if (wanted === null || wanted <= dataset[field]) continue
    throw new TrainqlError({
      code: 'INVALID_INPUT',
      field,
      message: `Expected ${field} of at most ${dataset[field]}, the images ${dataset.name} has; got ${wanted}.`,
      fix: `Lower ${field}, or leave it out to use all.`,
    })
  }
  const trainImages = spec.trainImages ?? dataset.trainImages
  if (spec.globalBatch <= trainImages) return
  throw new TrainqlError({
    code: 'INVALID_INPUT',
    field: 'globalBatch',
    message: `Expected a global batch of at most ${trainImages}, the training images in use; got ${spec.globalBatch}.`,
    fix: 'Lower the global batch, or use more training images.',
  })
}

/** What depends on the size of the images, where it is known before the trainer opens them. */
function checkSize(spec: RunSpec, dataset: DatasetInfo): void {
  const { height, width } = spec.imageSize ?? dataset
  if (height === null || width === null) return
  checkShardValues(spec, dataset, { height, width })
  checkAugmentationSize(spec.augmentation, { height, width })
}

/** Batch norm over one value has no variance: refused here as at planning. */
function checkShardValues(spec: RunSpec, { channels, classes }: DatasetInfo, { height, width }: ImageSize): void {
  const input = { channels, height, width }
  const graph = resnet({ architecture: spec.model.architecture, input, classes: classes.length })
  const shards = spec.syncBatchNorm ? 1 : sessionShards(spec)
  const shardBatch = spec.globalBatch / shards
  const single = graph.layers.find((layer) => {
    if (layer.op !== 'batchNorm') return false
    const [, rows, columns] = graph.shapes[layer.output] ?? [0, 0, 0]
    return shardBatch * rows * columns === 1
  })
  if (single === undefined) return
  throw invalidInput({
    field: 'globalBatch',
    message: `Expected shards of at least 2 images: on ${height}x${width} images the deepest feature map is 1x1, and batch norm over one value has no variance; got ${shardBatch} image a shard.`,
    fix: `Use a global batch of at least ${2 * shards}, or fewer shards${spec.accumulationSteps > 1 ? ' or accumulation steps' : ''}.`,
  })
}
