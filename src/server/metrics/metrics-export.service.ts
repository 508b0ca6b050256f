// Files of everything that a run measured, written as they are fetched: nothing is made before, and memory holds one batch.
// A URL names the run's newest event of its time, and so gives the same bytes whenever and however often it is fetched,
// whatever the run does meanwhile.
import { z } from 'zod'
import { outlast } from '../database/outage.ts'
import { unknownRun } from '../runs/run-event.service.ts'
import type { RunRecord } from '../runs/run.record.ts'
import type { UrlSigner } from '../transfers/signed-url.ts'
import type { AttemptStart, MeasuredRow, MetricsExportStore } from './metrics-export.store.ts'
import {
  contentTypes,
  fileHead,
  fileLines,
  type MetricsFormat,
  metricsFormats,
  type MetricsKind,
  metricsKinds,
} from './metrics-file.ts'

export interface MetricsFileOptions {
  kind: MetricsKind
  format: MetricsFormat
  /** Also what a later attempt has trained anew. */
  includeSuperseded: boolean
}

export interface MetricsDownload extends MetricsFileOptions {
  /** To be fetched from this server. */
  url: string
  fileName: string
  /** Position of the last event that it covers; 0: none. */
  upTo: number
  expiresAt: Date
}

export interface MetricsFile {
  contentType: string
  /** Parts of its text, each read from the database when it is asked for. */
  text: AsyncIterable<string>
}

export interface MetricsExportService {
  /** @throws TrainqlError `NOT_FOUND` */
  create(runId: string, options: MetricsFileOptions): Promise<MetricsDownload>
  /** What the key of a URL names; null where the run is gone. `signal` ends the wait for a database that is away. */
  open(key: string, signal: AbortSignal): Promise<MetricsFile | null>
}

export interface MetricsExportDeps {
  store: MetricsExportStore
  findRun: (id: string) => Promise<RunRecord | null>
  signer: UrlSigner
  keepMs: number
  now: () => Date
}

export const metricsPath = '/metrics'

/** What a URL says of its file. The attempt is the latest that had begun to train: later ones supersede nothing in it. */
const keySchema = z.strictObject({
  runId: z.string(),
  kind: z.enum(metricsKinds),
  format: z.enum(metricsFormats),
  includeSuperseded: z.boolean(),
  upTo: z.number().int(),
  attempt: z.number().int(),
})
type FileKey = z.output<typeof keySchema>

const rowsOfBatch = 2_000

export function createMetricsExportService(deps: MetricsExportDeps): MetricsExportService {
  const { store, findRun, signer, keepMs, now } = deps

  async function* write(key: FileKey, signal: AbortSignal): AsyncGenerator<string, void> {
    const { runId, kind, format, includeSuperseded, upTo, attempt } = key
    const isSuperseded = supersededBy(await outlast(() => store.listStarts(runId, attempt), signal))
    yield fileHead(kind, format)
    for (let after = 0; ;) {
      const span = { runId, after, upTo, limit: rowsOfBatch }
      const batch = await outlast(() => store.list(kind, span), signal)
      const rows = batch.map(({ cursor: _, ...row }) => ({ ...row, superseded: isSuperseded(row) }))
      yield fileLines(kind, format, includeSuperseded ? rows : rows.filter(({ superseded }) => !superseded))
      const last = batch.at(-1)
      if (last === undefined || batch.length < rowsOfBatch) break
      after = last.cursor
    }
    // A run that went meanwhile took rows along: what was written is not the whole.
    if ((await outlast(() => findRun(runId), signal)) === null) throw unknownRun(runId)
  }

  return {
    async create(runId, options) {
      const run = await findRun(runId)
      if (run === null) throw unknownRun(runId)
      const { kind, format, includeSuperseded } = options
      const key: FileKey = {
        ...{ runId, kind, format, includeSuperseded },
        ...{ upTo: run.lastCursor, attempt: run.startedAttempt },
      }
      const fileName = `${runId}-${kind.toLowerCase()}.${format.toLowerCase()}`
      const expiresAt = new Date(now().getTime() + keepMs)
      const text = Buffer.from(JSON.stringify(key)).toString('base64url')
      const url = signer.sign('GET', `${metricsPath}/${text}/${encodeURIComponent(fileName)}`, expiresAt)
      return { url, fileName, kind, format, includeSuperseded, upTo: key.upTo, expiresAt }
    },
    async open(text, signal) {
      const key = keySchema.parse(JSON.parse(Buffer.from(text, 'base64url').toString('utf8')))
      const run = await outlast(() => findRun(key.runId), signal)
      return run === null ? null : { contentType: contentTypes[key.format], text: write(key, signal) }
    },
  }
}

/** What an attempt trained behind the beginning of a later one was trained anew. */
function supersededBy(starts: readonly AttemptStart[]): (row: Pick<MeasuredRow, 'attempt' | 'step'>) => boolean {
  const keptTo = new Map<number, number>()
  return ({ attempt, step }) => {
    let last = keptTo.get(attempt)
    if (last === undefined) {
      const later = starts.filter((start) => start.attempt > attempt).map(({ startStep }) => startStep)
      keptTo.set(attempt, (last = Math.min(...later)))
    }
    return step > last
  }
}
