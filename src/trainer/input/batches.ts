// The batches of a run, prepared ahead of their use: while the engine computes one, the next are being filled.
import { imageSize, type Dataset } from '../datasets/dataset.ts'
import type { Batch } from '../engine.ts'
import { planBatches, type BatchOptions, type BatchPlan, type Position } from './batch-plan.ts'
import { openFiller, type BatchFiller } from './filler.ts'

export interface Batches extends Pick<
  BatchPlan,
  'trainImages' | 'validationImages' | 'stepsPerEpoch' | 'validationBatches'
> {
  /**
   * Training batch `step` (from 0) of `epoch` (from 1). Its memory is used again once the batch after the next, of either
   * kind, is asked for: while the engine computes one, the next can wait for it.
   */
  training(epoch: number, step: number): Promise<Batch>
  /** Every validation image once, in fixed order; the last batch may be smaller. Memory as above. */
  validation(): AsyncGenerator<Batch, void>
  /** Ends the threads and frees the memory, whatever is under way. Safe to call twice. */
  close(): void
}

/** Bounds what is prepared ahead: batches of large images are large. */
const maxBytesAhead = 256 * 1024 * 1024
const maxBatchesAhead = 3
/** One that the engine computes, and one that waits for it. */
const heldByCaller = 2

/**
 * Nothing is held before the first batch is asked for.
 * @throws TrainqlError `INVALID_INPUT` where fewer images are there than asked for, or than one global batch.
 */
export function createBatches(
  dataset: Dataset,
  options: BatchOptions,
  open: (dataset: Dataset, options: BatchOptions) => BatchFiller = openFiller,
): Batches {
  const plan = planBatches(dataset, options)
  let queue: PrefetchQueue | null = null
  let epochNow: number | null = null
  let lastTaken: Promise<unknown> = Promise.resolve()

  /** One at a time, in the order in which they are asked for. */
  function take(position: Position): Promise<Batch> {
    const taken = lastTaken.then(() => {
      queue ??= createQueue({ dataset, plan, globalBatch: options.globalBatch, filler: open(dataset, options) })
      return queue.take(position)
    })
    lastTaken = taken.catch(() => undefined)
    return taken
  }

  return {
    trainImages: plan.trainImages,
    validationImages: plan.validationImages,
    stepsPerEpoch: plan.stepsPerEpoch,
    validationBatches: plan.validationBatches,
    training(epoch, step) {
      epochNow = epoch
      return take({ split: 'train', epoch, step })
    },
    async *validation() {
      for (let batch = 0; batch < plan.validationBatches; batch += 1) {
        yield await take({ split: 'validation', batch, epoch: epochNow })
      }
    },
    close() {
      queue?.close()
      queue = null
    },
  }
}

interface PrefetchQueue {
  take(position: Position): Promise<Batch>
  close(): void
}

interface QueueOptions {
  dataset: Dataset
  plan: BatchPlan
  globalBatch: number
  filler: BatchFiller
}

interface Prepared {
  position: Position
  memory: Batch
  batch: Promise<Batch>
}

/** Keeps the batches that follow the one in use under way; a position out of turn begins anew from there. */
function createQueue({ dataset, plan, globalBatch, filler }: QueueOptions): PrefetchQueue {
  const size = imageSize(dataset.shape)
  const ahead = filler.concurrent ? batchesAhead(globalBatch * size * Float32Array.BYTES_PER_ELEMENT) : 0
  const free: Batch[] = Array.from({ length: ahead + heldByCaller }, () => ({
    images: new Float32Array(globalBatch * size),
    labels: new Int32Array(globalBatch),
  }))
  const waiting: Prepared[] = []
  const inUse: Batch[] = []
  let next: Position | null = null

  function prepare(): void {
    if (next === null) return
    const memory = free.pop()
    if (memory === undefined) return
    const position = next
    next = plan.after(position)
    const indices = plan.images(position)
    const { labels: all, prepare: makeReady } = dataset[position.split]
    makeReady?.(indices)
    const batch = {
      images: memory.images.subarray(0, indices.length * size),
      labels: memory.labels.subarray(0, indices.length),
    }
    indices.forEach((image, row) => (batch.labels[row] = all[image] as number))
    const augmentedFor = position.split === 'train' ? position.epoch : null
    const filled = filler.fill({ split: position.split, augmentedFor, indices, images: batch.images }).then(() => batch)
    // Awaited when it is taken; where that never comes, its failure is nobody's.
    filled.catch(() => undefined)
    waiting.push({ position, memory, batch: filled })
  }

  async function beginAt(position: Position): Promise<void> {
    // What is being written to must not be handed out again before it is done.
    for (const { batch, memory } of waiting.splice(0)) {
      await batch.catch(() => undefined)
      free.push(memory)
    }
    next = position
    prepare()
  }

  return {
    async take(position) {
      if (inUse.length === heldByCaller) free.push(inUse.shift() as Batch)
      const [head] = waiting
      if (head === undefined || !isSame(head.position, position)) await beginAt(position)
      const first = waiting.shift() as Prepared
      inUse.push(first.memory)
      for (let i = waiting.length; i < ahead; i += 1) prepare()
      return first.batch
    },
    close() {
      filler.close()
      waiting.length = 0
      free.length = 0
    },
  }
}

function batchesAhead(batchBytes: number): number {
  return Math.min(maxBatchesAhead, Math.max(1, Math.floor(maxBytesAhead / batchBytes) - heldByCaller))
}

function isSame(a: Position, b: Position): boolean {
  if (a.split === 'train') return b.split === 'train' && a.epoch === b.epoch && a.step === b.step
  return b.split === 'validation' && a.batch === b.batch
}
