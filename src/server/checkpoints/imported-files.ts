// Imported checkpoints on the disk: a folder each, which never changes, and beside it `<id>.json`, the server's own
// record of it. A folder without one was put there by the command line, and is taken in as it is.
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { checkpointReferenceText } from '../../shared/checkpoint-reference.ts'
import { isTrainqlError } from '../../shared/errors.ts'
import { type LoadReport, loadReportSchema } from '../../shared/load-report.ts'
import { parseWith } from '../../shared/parse-with.ts'
import { architectures } from '../../shared/run-spec.ts'
import { findSortableIdTime } from '../../shared/sortable-id.ts'
import { nullWhereAbsent, replaceDurably } from '../durable-files.ts'
import { type ImportedCheckpointRecord, importSourceSchema } from './checkpoint.record.ts'

export interface ImportedFiles {
  /** Folder of an import that is, or is to be. */
  folderOf(id: string): string
  /** Writes the record of a folder; `name` null: the base name of the file it was made of. */
  adopt(id: string, known: { name: string | null; report: LoadReport | null }): Promise<ImportedCheckpointRecord>
  /** Writes the server's record anew. */
  write(record: ImportedCheckpointRecord): Promise<void>
  /** Removes the folder in one step. */
  removeFolder(id: string): Promise<void>
  /** Every import there is or was, and of those that cannot be read why. Removes what a crash left of a deletion. */
  list(): Promise<{ records: ImportedCheckpointRecord[]; unreadable: { id: string; error: Error }[] }>
}

const count = z.number().int().min(0)
const sidecarSchema = z.object({
  formatVersion: z.literal(1),
  name: z.string(),
  pinned: z.boolean(),
  createdAt: z.iso.datetime(),
  deletedAt: z.iso.datetime().nullable(),
  epoch: count,
  step: count,
  bytes: count,
  sha256: z.string(),
  model: z.object({ architecture: z.enum(architectures), classes: count, inputChannels: count }),
  hasOptimizer: z.boolean(),
  parent: z.string().nullable(),
  importedFrom: importSourceSchema,
  loadReport: loadReportSchema.nullable(),
})

/** What the server needs of a manifest; the trainer's own parser knows the rest. */
const manifestSchema = z.object({
  formatVersion: z.literal(2),
  epoch: count,
  step: count,
  model: z.object({
    architecture: z.enum(architectures),
    classes: count,
    input: z.object({ channels: count }),
  }),
  optimizer: z.object({}).nullable(),
  parent: z.object({ checkpoint: z.string() }).nullable(),
  importedFrom: importSourceSchema,
  files: z.record(z.string(), z.object({ bytes: count, sha256: z.string() })),
})

const manifestFile = 'manifest.json'
const weightsFile = 'model.safetensors'
const deletedPrefix = '.deleted-'
const unfinishedPrefix = '.tmp-'
/** Nobody writes a checkpoint for that long. */
const unfinishedMs = 24 * 3_600_000

/** `folder`: where imports lie. */
export function createImportedFiles(folder: string): ImportedFiles {
  const folderOf = (id: string): string => join(folder, id)
  const sidecarOf = (id: string): string => join(folder, `${id}.json`)

  async function write(record: ImportedCheckpointRecord): Promise<void> {
    const { name, pinned, createdAt, deletedAt, epoch, step, bytes, sha256, hasOptimizer } = record
    const { architecture, classes, inputChannels, parent, importedFrom, loadReport } = record
    const sidecar = {
      formatVersion: 1,
      name,
      pinned,
      createdAt: createdAt.toISOString(),
      deletedAt: deletedAt?.toISOString() ?? null,
      epoch,
      step,
      bytes: Number(bytes),
      sha256,
      model: { architecture, classes, inputChannels },
      hasOptimizer,
      parent,
      importedFrom,
      loadReport,
    }
    await replaceDurably(sidecarOf(record.series), `${JSON.stringify(sidecar, null, 2)}\n`)
  }

  async function adopt(
    id: string,
    { name, report }: { name: string | null; report: LoadReport | null },
  ): Promise<ImportedCheckpointRecord> {
    const manifestPath = join(folderOf(id), manifestFile)
    const manifest = parseWith(manifestSchema, JSON.parse(await readFile(manifestPath, 'utf8')), 'checkpoint manifest')
    const manifestBytes = (await stat(manifestPath)).size
    const fileBytes = Object.values(manifest.files).reduce((sum, { bytes }) => sum + bytes, 0)
    const record = recordOf(id, {
      formatVersion: 1,
      name: name ?? manifest.importedFrom.file,
      pinned: false,
      createdAt: (findSortableIdTime(id) ?? (await stat(manifestPath)).mtime).toISOString(),
      deletedAt: null,
      epoch: manifest.epoch,
      step: manifest.step,
      bytes: fileBytes + manifestBytes,
      sha256: manifest.files[weightsFile]?.sha256 ?? '',
      model: {
        architecture: manifest.model.architecture,
        classes: manifest.model.classes,
        inputChannels: manifest.model.input.channels,
      },
      hasOptimizer: manifest.optimizer !== null,
      parent: manifest.parent?.checkpoint ?? null,
      importedFrom: manifest.importedFrom,
      loadReport: report,
    })
    await write(record)
    return record
  }

  async function read(id: string): Promise<ImportedCheckpointRecord | null> {
    const text = await readFile(sidecarOf(id), 'utf8').catch(nullWhereAbsent)
    const isThere = existsSync(join(folderOf(id), manifestFile))
    if (text === null) return isThere ? adopt(id, { name: null, report: null }) : null
    const record = recordOf(id, parseWith(sidecarSchema, JSON.parse(text), 'record of an import'))
    if (record.deletedAt !== null) await removeFolder(id)
    // Somebody has moved it away; it may come back.
    else if (!isThere) return null
    return record
  }

  /** What deletions and imports leave that were killed; an import of the command line may be under way. */
  async function removeLeftovers(names: readonly string[]): Promise<void> {
    for (const name of names.filter((one) => one.startsWith(deletedPrefix) || one.startsWith(unfinishedPrefix))) {
      const path = join(folder, name)
      const left = await stat(path).catch(nullWhereAbsent)
      if (left === null || (name.startsWith(unfinishedPrefix) && Date.now() - left.mtimeMs < unfinishedMs)) continue
      await rm(path, { recursive: true, force: true })
    }
  }

  async function removeFolder(id: string): Promise<void> {
    const going = join(folder, `${deletedPrefix}${id}`)
    if (existsSync(folderOf(id))) await rename(folderOf(id), going)
    await rm(going, { recursive: true, force: true })
  }

  return {
    folderOf,
    adopt,
    write,
    removeFolder,
    async list() {
      await mkdir(folder, { recursive: true })
      const names = await readdir(folder)
      await removeLeftovers(names)
      const ids = names.map((name) => name.replace(/\.json$/, '')).filter((name) => findSortableIdTime(name) !== null)
      const records: ImportedCheckpointRecord[] = []
      const unreadable: { id: string; error: Error }[] = []
      for (const id of [...new Set(ids)].sort()) {
        try {
          const record = await read(id)
          if (record !== null) records.push(record)
        } catch (error) {
          if (!isTrainqlError(error) && !(error instanceof SyntaxError)) throw error
          unreadable.push({ id, error })
        }
      }
      return { records, unreadable }
    },
  }
}

function recordOf(id: string, sidecar: z.output<typeof sidecarSchema>): ImportedCheckpointRecord {
  const { formatVersion: _, model, bytes, createdAt, deletedAt, ...fields } = sidecar
  return {
    ...fields,
    ...model,
    origin: 'IMPORTED',
    key: checkpointReferenceText({ kind: 'IMPORTED', id }),
    runId: null,
    attempt: null,
    series: id,
    cursor: 0,
    bytes: BigInt(bytes),
    createdAt: new Date(createdAt),
    deletedAt: deletedAt === null ? null : new Date(deletedAt),
  }
}
