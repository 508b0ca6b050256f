// The plain record of a checkpoint; its files are described by the manifest in its folder.
import { z } from 'zod'
import { checkpointFormats, checkpointLayouts, type LoadReport } from '../../shared/load-report.ts'
import type { Architecture } from '../../shared/run-spec.ts'

export const checkpointOrigins = ['RUN', 'IMPORTED'] as const
export type CheckpointOrigin = (typeof checkpointOrigins)[number]

export const importSourceSchema = z.object({
  /** Its base name. */
  file: z.string(),
  sha256: z.string(),
  format: z.enum(checkpointFormats),
  layout: z.enum(checkpointLayouts),
  /** Taken off the front of every name; empty where nothing was. */
  strippedPrefix: z.string(),
})
/** The file that an import was made of. */
export type ImportSource = z.output<typeof importSourceSchema>

interface CheckpointFields {
  /** As `src/shared/checkpoint-reference.ts` reads it; behind its global id. */
  key: string
  /** Of a run: folder name inside its `checkpoints/`. Imported: what the user calls it. */
  name: string
  /** The run's id, or the import's own: both sort by time. */
  series: string
  /** Position of the event that announced it; 0 of an import. */
  cursor: number
  epoch: number
  step: number
  bytes: bigint
  /** Of the weights file. */
  sha256: string
  architecture: Architecture
  /** Null where an earlier version did not say; so too the channels. */
  classes: number | null
  inputChannels: number | null
  hasOptimizer: boolean
  pinned: boolean
  /** Key of the checkpoint that its weights came from. */
  parent: string | null
  createdAt: Date
  /** Its files are gone; the record stays for those that came from it. */
  deletedAt: Date | null
}

export interface RunCheckpointRecord extends CheckpointFields {
  origin: 'RUN'
  runId: string
  attempt: number
  importedFrom: null
  loadReport: null
}

export interface ImportedCheckpointRecord extends CheckpointFields {
  origin: 'IMPORTED'
  runId: null
  attempt: null
  importedFrom: ImportSource
  /** Null where it was imported without the server, and no report is beside it. */
  loadReport: LoadReport | null
}

export type CheckpointRecord = RunCheckpointRecord | ImportedCheckpointRecord

/** Where a checkpoint stands in lists. */
export interface CheckpointPosition {
  series: string
  cursor: number
}

export function checkpointPositionText({ series, cursor }: CheckpointPosition): string {
  return `${series}/${cursor}`
}

export function findCheckpointPosition(text: string): CheckpointPosition | null {
  const match = /^([^/]+)\/(\d{1,9})$/.exec(text)
  return match === null ? null : { series: match[1] ?? '', cursor: Number(match[2]) }
}
