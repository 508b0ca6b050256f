// The client's methods for checkpoints, with the transfers that belong to them.
import type { CallOptions } from './client.ts'
import { failureOf } from './errors.ts'
import * as operations from './generated/operations.ts'
import type {
  ExportCheckpointInput,
  ImportCheckpointInput,
  InspectCheckpointInput,
  PretrainedName,
} from './generated/schema.ts'
import { createLocalTarget } from './local-files.ts'
import { downloadBytes } from './transfer.ts'
import { upload, type UploadContent, type UploadDeps } from './upload.ts'

export type Checkpoint = operations.CheckpointFieldsFragment
/** What came of loading a checkpoint's tensors. */
export type LoadReport = operations.LoadReportFieldsFragment
export type Inspection = operations.InspectionFieldsFragment
export type PretrainedWeights = operations.PretrainedWeightsQuery['pretrainedWeights'][number]
export type Verification = Omit<
  Extract<operations.VerifyCheckpointMutation['verifyCheckpoint'], { __typename: 'CheckpointVerification' }>,
  '__typename'
>
/** Where a file made of a checkpoint can be fetched; `url` is relative to the server. */
export type Download = Omit<
  Extract<operations.ExportCheckpointMutation['exportCheckpoint'], { __typename: 'CheckpointDownload' }>,
  '__typename'
>

/** A file on this machine or what is in it, a file on the server, or published weights. */
export type CheckpointSource =
  string | Blob | ReadableStream | { path: string } | { uploadId: string } | { pretrained: PretrainedName }

type ImportSettings = Omit<ImportCheckpointInput, 'path' | 'uploadId' | 'pretrained'>

export interface ImportOptions extends CallOptions, ImportSettings {
  /** Of what is no file on this machine; `name` by default. */
  fileName?: string
}

export interface InspectOptions
  extends CallOptions, Omit<InspectCheckpointInput, 'path' | 'uploadId' | 'forgetUpload' | 'checkpoint'> {
  fileName?: string
}

export interface ExportOptions extends CallOptions, Omit<ExportCheckpointInput, 'checkpoint'> {}

export interface DownloadOptions extends ExportOptions {
  /** Called with the bytes that have come, and with all there are. */
  onProgress?: (bytes: number, ofBytes: number) => void
}

export interface CheckpointMethods {
  /** What a file is, and what would come of importing it; nothing of it is kept. */
  inspectCheckpoint(
    source: Exclude<CheckpointSource, { pretrained: PretrainedName }> | { checkpoint: string },
    options?: InspectOptions,
  ): Promise<Inspection>
  /**
   * Makes a checkpoint of a file: `string` is the path of one on this machine, which is uploaded.
   * @throws TrainqlLoadRefused where its tensors do not fit; TrainqlFailure
   */
  importCheckpoint(
    source: CheckpointSource,
    options?: ImportOptions,
  ): Promise<Checkpoint & { loadReport: LoadReport | null }>
  /** Has the server make a file of a checkpoint. @throws TrainqlFailure */
  exportCheckpoint(id: string, options: ExportOptions): Promise<Download>
  /** The same, into a file on this machine, which is there whole and checked or not at all. @throws TrainqlFailure */
  downloadCheckpoint(id: string, options: DownloadOptions, toFile: string): Promise<Download>
  /** A pinned checkpoint is not deleted, neither by hand nor by its run's policy. @throws TrainqlFailure */
  pinCheckpoint(id: string, options?: CallOptions & { pinned?: boolean }): Promise<Checkpoint>
  /** Removes its files. @throws TrainqlFailure `CONFLICT` where it is pinned, or a live run goes on from it */
  deleteCheckpoint(id: string, options?: CallOptions): Promise<Checkpoint>
  /** Hashes its files anew. @throws TrainqlFailure */
  verifyCheckpoint(id: string, options?: CallOptions): Promise<Verification>
  /** Names for `importCheckpoint({ pretrained })` and a run's `initialise`. */
  pretrainedWeights(options?: CallOptions): Promise<PretrainedWeights[]>
}

export interface CheckpointMethodDeps extends UploadDeps {
  attempts: number
}

/** Reading a large file takes its time, and fetching one more. */
const longMs = 65 * 60_000

export function checkpointMethods(deps: CheckpointMethodDeps): CheckpointMethods {
  const { send, transfer, signalOf, attempts } = deps
  const uploaded = async (content: UploadContent, name: string | undefined, call: CallOptions) => ({
    uploadId: await upload(deps, { content, name }, call),
  })

  async function exportCheckpoint(id: string, { signal, ...options }: ExportOptions): Promise<Download> {
    const input = { ...options, checkpoint: id }
    const call = { signal, timeoutMs: longMs }
    const { exportCheckpoint: made } = await send(operations.ExportCheckpointDocument, { input }, call)
    if (made.__typename !== 'CheckpointDownload') throw failureOf(made)
    const { __typename, ...download } = made
    return download
  }

  return {
    async inspectCheckpoint(source, { signal, fileName, ...target } = {}) {
      const from = isLocal(source) ? { ...(await uploaded(source, fileName, { signal })), forgetUpload: true } : source
      const call = { signal, timeoutMs: longMs }
      const input = { ...target, ...from }
      const { inspectCheckpoint: found } = await send(operations.InspectCheckpointDocument, { input }, call)
      if (found.__typename !== 'CheckpointInspection') throw failureOf(found)
      const { __typename, ...inspection } = found
      return inspection
    },
    async importCheckpoint(source, { signal, fileName, ...settings } = {}) {
      const from = isLocal(source) ? await uploaded(source, fileName ?? settings.name ?? undefined, { signal }) : source
      const call = { signal, timeoutMs: longMs }
      const input = { ...settings, ...from }
      const { importCheckpoint: imported } = await send(operations.ImportCheckpointDocument, { input }, call)
      if (imported.__typename !== 'CheckpointSuccess') throw failureOf(imported)
      return imported.checkpoint
    },
    exportCheckpoint,
    async downloadCheckpoint(id, { onProgress, ...options }, toFile) {
      const download = await exportCheckpoint(id, options)
      const bytes = Number(download.bytes)
      const target = createLocalTarget(toFile)
      const onBytes = (done: number): void => onProgress?.(done, bytes)
      const request = { url: download.url, bytes, sha256: download.sha256, target, attempts, onBytes }
      await downloadBytes(transfer, request, signalOf(options))
      return download
    },
    async pinCheckpoint(id, { pinned = true, ...call } = {}) {
      const { pinCheckpoint: kept } = await send(operations.PinCheckpointDocument, { id, pinned }, call)
      if ('checkpoint' in kept) return kept.checkpoint
      throw failureOf(kept)
    },
    async deleteCheckpoint(id, call) {
      const { deleteCheckpoint: kept } = await send(operations.DeleteCheckpointDocument, { id }, call)
      if ('checkpoint' in kept) return kept.checkpoint
      throw failureOf(kept)
    },
    async verifyCheckpoint(id, call) {
      const long = { ...call, timeoutMs: longMs }
      const { verifyCheckpoint: found } = await send(operations.VerifyCheckpointDocument, { id }, long)
      if (found.__typename !== 'CheckpointVerification') throw failureOf(found)
      const { __typename, ...verification } = found
      return verification
    },
    pretrainedWeights: async (call) => (await send(operations.PretrainedWeightsDocument, {}, call)).pretrainedWeights,
  }
}

function isLocal(source: CheckpointSource | { checkpoint: string }): source is UploadContent {
  return typeof source === 'string' || source instanceof Blob || source instanceof ReadableStream
}
