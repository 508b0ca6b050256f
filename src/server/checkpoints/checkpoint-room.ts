// Makes the parts of this room and wires them together, for the composition root.
import { join } from 'node:path'
import { importedFolder } from '../../shared/checkpoint-reference.ts'
import type { ServerConfig } from '../config.ts'
import type { Limit } from '../limit.ts'
import type { Log } from '../log.ts'
import { createExportService, type ExportService } from '../transfers/export.service.ts'
import { createUrlSigner, exportKeepMs, readSecret, type UrlSigner } from '../transfers/signed-url.ts'
import { createUploadService, type UploadService } from '../transfers/upload.service.ts'
import { type CheckpointImportService, createCheckpointImportService } from './checkpoint-import.service.ts'
import {
  type CheckpointKeepingService,
  createCheckpointKeepingService,
  type RunRecorder,
} from './checkpoint-keeping.service.ts'
import { createCheckpointWorker } from './checkpoint-worker.ts'
import type { CheckpointRecord } from './checkpoint.record.ts'
import type { CheckpointService } from './checkpoint.service.ts'
import type { CheckpointStore } from './checkpoint.store.ts'
import { createImportedFiles } from './imported-files.ts'
import { createPredictionService, type PredictionService } from './prediction.service.ts'

export interface CheckpointRoom {
  imports: CheckpointImportService
  keeping: CheckpointKeepingService
  uploads: UploadService
  exports: ExportService
  predictions: PredictionService
  signer: UrlSigner
  /** Once runs are recovered and before the first request: what crashes and time have left is cleared away. */
  open(): Promise<void>
  close(): Promise<void>
}

export interface CheckpointRoomDeps {
  config: ServerConfig
  checkpoints: CheckpointService
  store: CheckpointStore
  recorder: RunRecorder
  listUsers: (checkpoint: CheckpointRecord) => Promise<string[]>
  guard: Limit
  log: Log
  now: () => Date
}

const hourMs = 3_600_000
const uploadKeepMs = 6 * hourMs
const sweepEveryMs = hourMs / 6

/** Nothing is written before `open`, but the secret of this data directory. */
export async function createCheckpointRoom(deps: CheckpointRoomDeps): Promise<CheckpointRoom> {
  const { config, checkpoints, store, recorder, listUsers, guard, log, now } = deps
  const { home, cacheFolder, checkpointRoots: roots, pretrainedRoots, pretrainedUrl: url, uploadLimitBytes } = config
  const signer = createUrlSigner(await readSecret(home), now)
  const worker = createCheckpointWorker({ log })
  const files = createImportedFiles(importedFolder(home))
  const uploads = createUploadService({
    folder: join(home, 'uploads'),
    limitBytes: uploadLimitBytes,
    keepMs: uploadKeepMs,
    signer,
    now,
  })
  const exports = createExportService({
    checkpoints,
    worker,
    signer,
    home,
    folder: join(home, 'exports'),
    keepMs: exportKeepMs,
    now,
  })
  const pretrained = { folders: pretrainedRoots, url, cacheFolder: join(cacheFolder, 'pretrained') }
  const common = { checkpoints, store, files, worker, home, now }
  const imports = createCheckpointImportService({ ...common, uploads, roots, pretrained, log })
  const predictions = createPredictionService({ checkpoints, uploads, worker, home })
  const keeping = createCheckpointKeepingService({ ...common, recorder, listUsers, guard })
  let timer: NodeJS.Timeout | undefined
  const sweep = async (): Promise<void> => {
    await uploads.sweep()
    await exports.sweep()
  }
  return {
    imports,
    keeping,
    uploads,
    exports,
    predictions,
    signer,
    async open() {
      await imports.takeStock()
      await keeping.removeLeftovers()
      await uploads.removeUnfinished()
      await sweep()
      timer = setInterval(() => {
        sweep().catch((error: unknown) => log.error('Clearing away old uploads and exports failed.', error))
      }, sweepEveryMs).unref()
    },
    async close() {
      clearInterval(timer)
      await worker.close()
    },
  }
}
