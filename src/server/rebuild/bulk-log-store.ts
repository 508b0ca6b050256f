// What a run's log stores, gathered: its replay makes a batch of every few events, and a statement costs more than a thousand
// rows do. The rows are those that the batches make one by one.
import type { RunSpec } from '../../shared/run-spec.ts'
import { appendChange, beginChange, type MergedChange } from '../runs/merged-changes.ts'
import { newProjection } from '../runs/run.projection.ts'
import type { RunStore } from '../runs/run.store.ts'
import type { LogStore } from '../scheduling/run-log.ts'

export interface BulkLogStore extends LogStore {
  /** Stores what is left; once the run has been read. */
  flush(): Promise<void>
}

/** Of one run; a statement of so many steps has about half a megabyte. */
const eventsAtOnce = 2048

/**
 * Of a run that has just been inserted: nothing of it needs to be asked for.
 * @param onStored is told how many events have been stored
 */
export function createBulkLogStore(
  store: Pick<RunStore, 'apply'>,
  { spec, createdAt }: { spec: RunSpec; createdAt: Date },
  onStored: (events: number) => void,
): BulkLogStore {
  const { runId } = spec
  let gathered: MergedChange | null = null
  /** The batch before is stored while the next one is read. */
  let storing: Promise<void> = Promise.resolve()

  async function send(): Promise<void> {
    await storing
    if (gathered === null) return
    const { batch, positions } = gathered
    gathered = null
    storing = store.apply(runId, batch, positions).then(() => onStored(batch.events.length))
    // Whoever stores next meets its failure.
    storing.catch(() => undefined)
  }

  return {
    find: () => Promise.resolve({ ...newProjection(spec, createdAt), spec }),
    listLogPositions: () => Promise.resolve([]),
    listReleasedAttempts: () => Promise.resolve([]),
    async apply(_runId, batch, positions) {
      if (gathered === null) gathered = beginChange({ batch, positions })
      else appendChange(gathered, { batch, positions })
      if (gathered.batch.events.length >= eventsAtOnce) await send()
    },
    async flush() {
      await send()
      await storing
    },
  }
}
