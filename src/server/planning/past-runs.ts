// What runs have measured so far, held in memory: read once, then brought up to date as their events come, so that an
// estimate costs no query.
import type { RunEvent } from '../../shared/events.ts'
import type { DeviceRecord } from '../devices/device.record.ts'
import type { Log } from '../log.ts'
import type { StoredEvent } from '../runs/run.record.ts'
import type { MeasuredRun } from './measured-run.ts'
import type { MeasuredRow, MeasuredRunStore } from './measured-run.store.ts'
import { median } from './pace.ts'
import { findPlace } from './places.ts'
import { findWorkload } from './workload.ts'

export interface PastRuns {
  /** Called with every event that has been stored. */
  observe(runId: string, events: readonly StoredEvent[]): void
  /** Reads what has been measured since the last call. Where that fails, what was known stays. */
  refresh(): Promise<void>
  /** Another one whenever `list` has another answer. */
  readonly version: number
  /** The latest first; of devices that are not there any more, nothing is told. */
  list(devices: readonly DeviceRecord[]): MeasuredRun[]
  /** What the training of a live attempt has come to; null before its first event that this server saw. */
  progress(runId: string): Progress | null
}

export interface Progress {
  /** When the first of `steps` began, in ms. */
  from: number
  /** When the last of them, or the epoch behind it, ended. */
  at: number
  steps: number
}

/** Far more than one estimate rests on, so that each model and size of images has its own among them. */
const keptRuns = 250

/** Behind these a run's measurements are other ones. */
const measuring: ReadonlySet<RunEvent['type']> = new Set(['epoch', 'released', 'succeeded', 'started'])

export function createPastRuns({ store, log }: { store: MeasuredRunStore; log: Log }): PastRuns {
  /** The one measured last comes last. */
  const rows = new Map<string, MeasuredRow>()
  const live = new Map<string, Progress>()
  let stale = new Set<string>()
  /** What was made of the rows, for the devices of the last call. */
  let derived = new WeakMap<MeasuredRow, MeasuredRun | null>()
  let derivedFor: readonly DeviceRecord[] = []
  let version = 0
  let loaded = false

  /** What a run measured counts no more where an attempt trains all of it anew. */
  function replace(stale: ReadonlySet<string>, news: readonly MeasuredRow[]): void {
    for (const runId of stale) rows.delete(runId)
    for (const row of news) rows.set(row.runId, row)
    for (const runId of rows.keys()) {
      if (rows.size <= keptRuns) break
      rows.delete(runId)
    }
    version += 1
  }

  return {
    observe(runId, events) {
      for (const { event } of events) {
        if (measuring.has(event.type)) stale.add(runId)
        observeProgress(live, runId, event)
      }
    },
    async refresh() {
      if (loaded && stale.size === 0) return
      const wanted = stale
      stale = new Set()
      try {
        if (loaded) replace(wanted, await store.list([...wanted]))
        else replace(new Set(), await store.listLatest(keptRuns))
        loaded = true
      } catch (error) {
        for (const runId of wanted) stale.add(runId)
        log.error('What past runs measured could not be read; estimates rest on what was known before.', error)
      }
    },
    get version() {
      return version
    },
    list(devices) {
      if (devices !== derivedFor) derived = new WeakMap()
      derivedFor = devices
      return [...rows.values()].reverse().flatMap((row) => {
        const known = derived.get(row)
        const told = known === undefined ? measuredRun(row, devices) : known
        if (known === undefined) derived.set(row, told)
        return told ?? []
      })
    },
    progress: (runId) => live.get(runId) ?? null,
  }
}

function observeProgress(live: Map<string, Progress>, runId: string, { type, at: time }: RunEvent): void {
  const at = Date.parse(time)
  const known = live.get(runId)
  if (type === 'started') live.set(runId, { from: at, at, steps: 0 })
  // The first step that is seen after a restart of the server began at some time before.
  if (type === 'step')
    live.set(runId, { from: known?.from ?? at, at, steps: known === undefined ? 0 : known.steps + 1 })
  if (type === 'epoch' && known !== undefined) live.set(runId, { ...known, at })
  if (type === 'released') live.delete(runId)
}

function measuredRun(row: MeasuredRow, devices: readonly DeviceRecord[]): MeasuredRun | null {
  const place = findPlace(row.deviceNames, devices)
  const workload = findWorkload(row)
  const [newest] = row.epochs
  if (place === null || workload === null || newest === undefined) return null
  const { runId, attempt, engine, leasedAt, startedAt, succeededAt, epochs } = row
  const imagesOfEpoch = workload.stepsPerEpoch * workload.globalBatch
  const validation = epochs.map(({ wallSeconds, imagesPerSecond }) => wallSeconds - imagesOfEpoch / imagesPerSecond)
  const wall = median(epochs.map(({ wallSeconds }) => wallSeconds))
  const secondsBetween = (from: Date, to: Date): number => Math.max(0, (to.getTime() - from.getTime()) / 1000)
  return {
    runId,
    attempt,
    workload,
    place,
    engine: engine ?? '',
    imagesPerSecond: median(epochs.map(({ imagesPerSecond }) => imagesPerSecond)),
    // An epoch that an attempt began in its midst has fewer images.
    validationSeconds: Math.max(0, median(validation)),
    startSeconds: startedAt === null ? 0 : secondsBetween(leasedAt, startedAt),
    restSeconds:
      startedAt === null || succeededAt === null
        ? null
        : Math.max(0, secondsBetween(startedAt, succeededAt) / workload.epochs - wall),
    lastEpoch: newest.epoch,
  }
}
