// Run directories written by hand, an event at a time: what a server and trainers left at any moment that a test names.
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { serverEventSchema, type ServerEvent, type TrainerEvent, type Unidentified } from '../../src/shared/events.ts'
import type { ProcessIdentity } from '../../src/shared/process-identity.ts'
import { attemptFile, eventsFile, exitFile, lockFile, specFile } from '../../src/shared/run-directory.ts'
import { parseRunSpec, type RunSpec } from '../../src/shared/run-spec.ts'
import { createSortableId } from '../../src/shared/sortable-id.ts'

/** An event as its author states it; a trainer's is of the latest attempt that was leased. */
export type Deed = Unidentified<ServerEvent> | Unidentified<TrainerEvent>

export interface WrittenRun {
  id: string
  directory: string
  spec: RunSpec
  createdAt: Date
  /** Appends events to the files of their authors. */
  write(...deeds: readonly Deed[]): void
  /** What the latest attempt was given. */
  writeAttempt(): void
  /** The latest attempt, or another one, belongs to this process. */
  lock(holder: ProcessIdentity, attempt?: number): void
  /** The latest attempt's last act. */
  exit(code: number): void
}

const serverTypes: ReadonlySet<string> = new Set(serverEventSchema.options.map(({ shape }) => shape.type.value))
const isServers = (deed: Deed): deed is Unidentified<ServerEvent> => serverTypes.has(deed.type)

const dayMs = 86_400_000
let made = 0

/** @param settings of its spec */
export function writeRun(home: string, settings: Record<string, unknown> = {}): WrittenRun {
  // Their order is that in which they are written.
  const createdAt = new Date(Date.now() - dayMs + made++)
  const id = createSortableId(createdAt)
  const directory = join(home, 'runs', id)
  const spec = parseRunSpec({
    runId: id,
    model: { architecture: 'RESNET18' },
    dataset: 'shapes',
    epochs: 1,
    globalBatch: 64,
    devices: { kind: 'COUNT', count: 1, deviceKind: 'CPU' },
    optimizer: { kind: 'SGD' },
    learningRate: 0.1,
    ...settings,
  })
  mkdirSync(directory, { recursive: true })
  writeFileSync(specFile(directory), JSON.stringify(spec))
  const seqs = new Map<number, number>([[0, 0]])
  let latest = 0
  let at = createdAt.getTime()

  function write(...deeds: readonly Deed[]): void {
    for (const deed of deeds) {
      const behind = { attempt: latest, seq: seqs.get(latest) ?? 0 }
      const attempt = isServers(deed) ? 0 : latest
      const seq = (seqs.get(attempt) ?? 0) + 1
      seqs.set(attempt, seq)
      const own = { run: id, attempt, seq, at: new Date(at++).toISOString() }
      const event = isServers(deed)
        ? { ...own, behind: latest === 0 ? { attempt: 0, seq: 0 } : behind, ...deed }
        : { ...own, ...deed }
      const file = isServers(deed) ? join(directory, 'events.server.jsonl') : eventsFile(directory, attempt)
      appendFileSync(file, `${JSON.stringify(event)}\n`)
      if (deed.type === 'leased') latest = deed.toAttempt
    }
  }

  return {
    id,
    directory,
    spec,
    createdAt,
    write,
    writeAttempt() {
      const attempt = Math.max(latest, 1)
      const devices = [{ kind: 'CPU', name: 'cpu:0', cores: [0] }]
      const folders = { datasetRoots: [], cacheFolder: join(home, 'cache') }
      const begin = { resumeFrom: null, initialFrom: null, fence: null, checkpoints: [] }
      const given = { formatVersion: 1, runId: id, attempt, devices, ...folders, ...begin }
      writeFileSync(attemptFile(directory, attempt), JSON.stringify(given))
    },
    lock(holder, attempt = latest) {
      writeFileSync(lockFile(directory, attempt), JSON.stringify({ ...holder, at: new Date(at).toISOString() }))
    },
    exit(code) {
      writeFileSync(exitFile(directory, latest), JSON.stringify({ code, at: new Date(at).toISOString() }))
    },
  }
}

export const deeds = {
  queued: { type: 'queued', plan: null },
  leased: (device: string, toAttempt = 1): Deed => ({
    type: 'leased',
    toAttempt,
    devices: [device],
    backfilledUntil: null,
  }),
  started: {
    ...{ type: 'started', engine: 'written', engineDetail: 'by hand', devices: ['cpu:0'], shards: 4, globalBatch: 64 },
    ...{ epochs: 1, stepsPerEpoch: 10, parameters: 42, trainImages: 100, validationImages: 20, skippedImages: 0 },
    ...{ precision: 'FP32', accumulationSteps: 1, syncBatchNorm: false, memoryBytes: 2 ** 33, pid: 1 },
    ...{ classNames: ['ring', 'arc', 'square'], channels: 1 },
  },
  step: (step: number): Deed => ({
    ...{ type: 'step', epoch: 1, step, loss: 1 / step, nonFinite: false, learningRate: 0.1, imagesPerSecond: 100 },
  }),
  epoch: (epoch: number, step: number): Deed => ({
    ...{ type: 'epoch', epoch, step, trainLoss: 0.5, validationLoss: 0.75, accuracy: 0.875, top5Accuracy: 1 },
    ...{
      nonFinite: false,
      imagesPerSecond: 100,
      learningRate: 0.1,
      userSeconds: 1,
      systemSeconds: 0.5,
      wallSeconds: 2,
    },
    ...{ classImages: [8, 0, 8], classCorrect: [5, 0, 7], confusion: [0, 2, 2, 0, 1, 1, 2, 1, 1] },
  }),
  checkpoint: (attempt: number, step: number): Deed => ({
    ...{ type: 'checkpoint', name: `${attempt}-${String(step).padStart(8, '0')}`, epoch: 1, step },
    ...{ bytes: 2 ** 33, sha256: 'ab'.repeat(32) },
  }),
  finished: { type: 'finished', epochs: 1, step: 3, wallSeconds: 3 },
  failed: {
    ...{ type: 'failed', code: 'NON_FINITE_LOSS', message: 'The loss is not finite.', fix: 'Lower the learning rate.' },
    ...{ step: 3, nonFinite: true, lastCheckpoint: null },
  },
  stopped: { type: 'stopped', step: 3, lastCheckpoint: null },
  released: (device: string, toAttempt = 1): Deed => ({ type: 'released', toAttempt, devices: [device], fault: null }),
  runFailed: {
    ...{ type: 'runFailed', code: 'TRAINER_DIED', message: 'It died.', fix: 'Resume the run.' },
    ...{ step: 3, nonFinite: false },
  },
} as const satisfies Record<string, Deed | ((...args: never[]) => Deed)>
