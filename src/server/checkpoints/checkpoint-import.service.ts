// Takes checkpoints in from files: looks into them, makes folders of ours of them, and remembers those there are.
import { mkdir } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { checkpointFolder, parseCheckpointReference } from '../../shared/checkpoint-reference.ts'
import type { CheckpointInspection, ImportedCheckpoint, TargetModel } from '../../shared/checkpoint-tool.ts'
import { invalidInput } from '../../shared/errors.ts'
import { type PretrainedName, pretrainedWeights } from '../../shared/pretrained.ts'
import { createSortableId } from '../../shared/sortable-id.ts'
import { diskFullOr } from '../durable-files.ts'
import type { Log } from '../log.ts'
import type { UploadService } from '../transfers/upload.service.ts'
import { resolveInRoots } from './checkpoint-source.ts'
import type { CheckpointWorker } from './checkpoint-worker.ts'
import type { CheckpointRecord } from './checkpoint.record.ts'
import type { CheckpointService } from './checkpoint.service.ts'
import type { CheckpointStore } from './checkpoint.store.ts'
import { takeStock } from './import-stock.ts'
import type { ImportedFiles } from './imported-files.ts'

type Optional<T> = T | null | undefined

/** One of them. */
export interface FileSource {
  path?: Optional<string>
  uploadId?: Optional<string>
}

export type TargetRequest = { [K in keyof TargetModel]?: Optional<TargetModel[K]> }

export interface InspectRequest extends FileSource, TargetRequest {
  /** Remove the upload afterwards. */
  forgetUpload?: Optional<boolean>
  /** One that is known. */
  checkpoint?: Optional<string>
}

export interface ImportRequest extends FileSource, TargetRequest {
  pretrained?: Optional<PretrainedName>
  /** Default: the base name of the file. */
  name?: Optional<string>
  allowPartial?: Optional<boolean>
}

export interface CheckpointImportService {
  /** Writes nothing. `key`: of the checkpoint that is named. @throws TrainqlError `INVALID_INPUT`, `NOT_FOUND`, `CHECKPOINT_INVALID` */
  inspect(request: InspectRequest, key: string | null): Promise<CheckpointInspection>
  /** @throws LoadRefusal; TrainqlError `INVALID_INPUT`, `NOT_FOUND`, `CHECKPOINT_INVALID`, `DISK_FULL`, `NETWORK` */
  import(request: ImportRequest): Promise<CheckpointRecord>
  /** Published weights, imported now unless they have been before. @throws as `import` */
  getPretrained(name: PretrainedName): Promise<CheckpointRecord>
  /** Brings the index up to date with the files, whichever is older. Once, at the start. */
  takeStock(): Promise<void>
}

export interface PretrainedPlaces {
  folders: readonly string[]
  /** Null: nothing is fetched. */
  url: string | null
  cacheFolder: string
}

export interface CheckpointImportDeps {
  checkpoints: CheckpointService
  store: CheckpointStore
  files: ImportedFiles
  uploads: UploadService
  worker: CheckpointWorker
  /** Folders in which clients may name files. */
  roots: readonly string[]
  pretrained: PretrainedPlaces
  home: string
  log: Log
  now: () => Date
}

export function createCheckpointImportService(deps: CheckpointImportDeps): CheckpointImportService {
  const { checkpoints, store, files, uploads, worker, roots, pretrained, home, log, now } = deps
  /** Imports of published weights under way. */
  const fetching = new Map<PretrainedName, Promise<CheckpointRecord>>()

  async function pathOf({ path, uploadId }: FileSource): Promise<string> {
    if (isGiven(path)) return resolveInRoots(path, roots)
    return uploads.getFile(uploadId ?? '')
  }

  /** Makes the folder of a new import and its record. */
  async function take(
    make: (folder: string) => Promise<{ imported: ImportedCheckpoint }>,
    name: string | null,
  ): Promise<CheckpointRecord> {
    const id = createSortableId(now())
    const folder = files.folderOf(id)
    try {
      await mkdir(dirname(folder), { recursive: true })
      const { report } = (await make(folder)).imported
      const record = await files.adopt(id, { name, report })
      await store.put(record)
      return record
    } catch (error) {
      await files.removeFolder(id)
      throw diskFullOr(error)
    }
  }

  async function findImportOf(name: PretrainedName): Promise<CheckpointRecord | null> {
    const { file, sha256Prefix } = pretrainedWeights(name)
    const found = (await store.listImported()).find(
      ({ importedFrom, deletedAt }) =>
        deletedAt === null && importedFrom?.file === file && importedFrom.sha256.startsWith(sha256Prefix),
    )
    return found ?? null
  }

  async function importPretrained(name: PretrainedName, label: string | null): Promise<CheckpointRecord> {
    const { folders, url, cacheFolder } = pretrained
    return take(
      (folder) => worker.ask({ action: 'PRETRAINED', name, folders: [...folders], url, cacheFolder, folder }),
      label ?? name,
    )
  }

  return {
    async inspect(request, key) {
      oneOf(request, ['path', 'uploadId', 'checkpoint'])
      const file =
        key === null
          ? await pathOf(request)
          : checkpointFolder(home, parseCheckpointReference((await checkpoints.get(key)).key))
      try {
        const { inspection } = await worker.ask({ action: 'INSPECT', file, target: targetOf(request) })
        return { ...inspection, file: basename(file) }
      } finally {
        if (request.forgetUpload === true && isGiven(request.uploadId)) await uploads.remove(request.uploadId)
      }
    },
    async import(request) {
      oneOf(request, ['path', 'uploadId', 'pretrained'])
      const name = labelOf(request.name)
      if (isGiven(request.pretrained)) return importPretrained(request.pretrained, name)
      const file = await pathOf(request)
      const allowPartial = request.allowPartial ?? false
      const target = targetOf(request)
      const record = await take((folder) => worker.ask({ action: 'IMPORT', file, folder, target, allowPartial }), name)
      // A refused one stays for another try until it expires.
      if (isGiven(request.uploadId)) await uploads.remove(request.uploadId)
      return record
    },
    async getPretrained(name) {
      const known = await findImportOf(name)
      if (known !== null) return known
      const under = fetching.get(name)
      if (under !== undefined) return under
      const fetched = importPretrained(name, null).finally(() => fetching.delete(name))
      fetching.set(name, fetched)
      return fetched
    },
    takeStock: () => takeStock({ store, files, log, now }),
  }
}

function oneOf(request: object, names: readonly string[]): void {
  const given = names.filter((name) => isGiven((request as Record<string, unknown>)[name]))
  if (given.length === 1) return
  throw invalidInput({
    field: given[1] ?? names[0],
    message: `Expected one of ${names.join(', ')}; got ${given.length === 0 ? 'none' : given.join(' and ')}.`,
    fix: 'Give exactly one.',
  })
}

function targetOf({ architecture, classes, inputChannels }: TargetRequest): TargetModel {
  for (const [field, value] of Object.entries({ classes, inputChannels })) {
    if (value === null || value === undefined || (Number.isInteger(value) && value > 0)) continue
    throw invalidInput({ field, message: `Expected ${field} of at least 1; got ${value}.`, fix: `Correct ${field}.` })
  }
  return { architecture: architecture ?? null, classes: classes ?? null, inputChannels: inputChannels ?? null }
}

const longestName = 200

function labelOf(name: Optional<string>): string | null {
  const label = name?.trim() ?? ''
  if (label.length <= longestName) return label === '' ? null : label
  throw invalidInput({
    field: 'name',
    message: `Expected a name of at most ${longestName} characters; got ${label.length}.`,
    fix: 'Shorten it.',
  })
}

function isGiven<T>(value: Optional<T>): value is T {
  return value !== null && value !== undefined
}
