// What a run's log stores, gathered: its replay makes a batch of every few events, and a statement costs more than a thousand
// rows do. The rows are those that the batches make one by one.
import { appendChange, beginChange, type MergedChange } from '../runs/merged-changes.ts'
import type { LogStore } from '../scheduling/run-log.ts'

export interface BulkLogStore extends LogStore {
  /** Stores what is left; once the run has been read. */
  flush(): Promise<void>
}

/** Of one run; a statement of so many steps has about a megabyte. */
const eventsAtOnce = 4096

/** @param onStored is told how many events have been stored */
export function createBulkLogStore(store: LogStore, runId: string, onStored: (events: number) => void): BulkLogStore {
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
    find: (id) => store.find(id),
    listLogPositions: (id) => store.listLogPositions(id),
    listReleasedAttempts: (id) => store.listReleasedAttempts(id),
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
