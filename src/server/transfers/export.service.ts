// Files made of checkpoints for clients to fetch. One that was made lately is served again: what it holds follows from
// the checkpoint's weights and the options alone.
import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, rm, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { checkpointFolder, parseCheckpointReference } from '../../shared/checkpoint-reference.ts'
import { type ExportOptions, exportFormats, exportOptionsSchema } from '../../shared/checkpoint-tool.ts'
import { parseWith } from '../../shared/parse-with.ts'
import type { CheckpointWorker } from '../checkpoints/checkpoint-worker.ts'
import type { CheckpointRecord } from '../checkpoints/checkpoint.record.ts'
import type { CheckpointService } from '../checkpoints/checkpoint.service.ts'
import { nullWhereAbsent, replaceDurably } from '../durable-files.ts'
import type { UrlSigner } from './signed-url.ts'

const exportRecordSchema = z.object({
  fileName: z.string(),
  bytes: z.number().int(),
  sha256: z.string(),
  format: z.enum(exportFormats),
})
type ExportRecord = z.output<typeof exportRecordSchema>

export interface Download extends ExportRecord {
  /** To be fetched from this server. */
  url: string
  expiresAt: Date
}

export interface ExportedFile extends ExportRecord {
  folder: string
}

export interface ExportService {
  /** @throws TrainqlError `NOT_FOUND`, `INVALID_INPUT`, `CHECKPOINT_INVALID`, `DISK_FULL` */
  create(key: string, options: z.input<typeof exportOptionsSchema>): Promise<Download>
  /** Null where it has been cleared away. */
  find(id: string): Promise<ExportedFile | null>
  /** Removes those that nobody may fetch any more. */
  sweep(): Promise<void>
}

export interface ExportDeps {
  checkpoints: CheckpointService
  worker: CheckpointWorker
  signer: UrlSigner
  home: string
  /** Where exports lie. */
  folder: string
  keepMs: number
  now: () => Date
}

export const exportsPath = '/exports'
const recordFile = 'export.json'
const extensions = { SAFETENSORS: 'safetensors', TORCH: 'pth', ONNX: 'onnx' } as const

export function createExportService(deps: ExportDeps): ExportService {
  const { checkpoints, worker, signer, home, folder, keepMs, now } = deps
  const folderOf = (id: string): string => join(folder, id)
  const making = new Map<string, Promise<ExportRecord>>()

  async function find(id: string): Promise<ExportedFile | null> {
    if (!/^[0-9a-f]{32}$/.test(id)) return null
    const text = await readFile(join(folderOf(id), recordFile), 'utf8').catch(nullWhereAbsent)
    return text === null
      ? null
      : { ...parseWith(exportRecordSchema, JSON.parse(text), 'record of an export'), folder: folderOf(id) }
  }

  async function make(id: string, checkpoint: CheckpointRecord, options: ExportOptions): Promise<ExportRecord> {
    const fileName = fileNameOf(checkpoint, options)
    const file = checkpointFolder(home, parseCheckpointReference(checkpoint.key))
    await rm(folderOf(id), { recursive: true, force: true })
    await mkdir(folderOf(id), { recursive: true })
    try {
      const out = join(folderOf(id), fileName)
      const { exported } = await worker.ask({ action: 'EXPORT', file, out, ...options })
      const record = { fileName, bytes: exported.bytes, sha256: exported.sha256, format: exported.format }
      await replaceDurably(join(folderOf(id), recordFile), `${JSON.stringify(record)}\n`)
      return record
    } catch (error) {
      await rm(folderOf(id), { recursive: true, force: true })
      throw error
    }
  }

  /** Made once, however many ask at a time. */
  async function get(id: string, checkpoint: CheckpointRecord, options: ExportOptions): Promise<ExportRecord> {
    const under = making.get(id)
    if (under !== undefined) return under
    const made = find(id)
      .then((known) => known ?? make(id, checkpoint, options))
      .finally(() => making.delete(id))
    making.set(id, made)
    return made
  }

  return {
    find,
    async create(key, request) {
      const options = parseWith(exportOptionsSchema, request, 'export')
      const checkpoint = await checkpoints.get(key)
      const content = JSON.stringify([checkpoint.key, checkpoint.sha256, options])
      const id = createHash('sha256').update(content).digest('hex').slice(0, 32)
      const { fileName, bytes, sha256, format } = await get(id, checkpoint, options)
      // Its age counts from the last time it was asked for.
      await utimes(join(folderOf(id), recordFile), now(), now())
      const expiresAt = new Date(now().getTime() + keepMs)
      const url = signer.sign('GET', `${exportsPath}/${id}/${encodeURIComponent(fileName)}`, expiresAt)
      return { fileName, bytes, sha256, format, url, expiresAt }
    },
    async sweep() {
      for (const id of (await readdir(folder).catch(nullWhereAbsent)) ?? []) {
        if (making.has(id)) continue
        const record = await stat(join(folderOf(id), recordFile)).catch(nullWhereAbsent)
        if (record !== null && record.mtimeMs + keepMs > now().getTime()) continue
        await rm(folderOf(id), { recursive: true, force: true })
      }
    },
  }
}

/** Such as `resnet18-01jd…-1-00000235.pth`. */
function fileNameOf({ architecture, key, name, origin }: CheckpointRecord, { format }: ExportOptions): string {
  const label = origin === 'RUN' ? key : name.replace(/\.(?:pth|pt|bin|safetensors|ckpt|tar)$/i, '')
  const plain = label.replaceAll(/[^A-Za-z0-9._-]+/g, '-').replace(/^[.-]+/, '')
  return `${architecture.toLowerCase()}-${plain.slice(0, 100)}.${extensions[format]}`
}
