// The open logs of runs, one a run at most: two would number the server's events twice. Those of live runs stay open;
// a run that has ended is opened for as long as something is done to it.
import type { RunLog } from './run-log.ts'

export interface RunLogs {
  /** Null where it is not open. */
  find(runId: string): RunLog | null
  /** Opens it, unless it is open already, and keeps it so until `close`. */
  open(runId: string): Promise<RunLog>
  /** Closes it once nobody uses it any more. */
  close(runId: string): void
  /** Opens it for an action. It stays open behind that where `open` was called. */
  use<T>(runId: string, action: (runLog: RunLog) => Promise<T>): Promise<T>
  /** Runs whose logs are kept open. */
  list(): string[]
}

interface Entry {
  opening: Promise<RunLog>
  runLog: RunLog | null
  kept: boolean
  users: number
}

/** `onClose` is called when a log has been closed. */
export function createRunLogs(openLog: (runId: string) => Promise<RunLog>, onClose: (runId: string) => void): RunLogs {
  const entries = new Map<string, Entry>()

  function entryOf(runId: string): Entry {
    const known = entries.get(runId)
    if (known !== undefined) return known
    const entry: Entry = { opening: openLog(runId), runLog: null, kept: false, users: 0 }
    entries.set(runId, entry)
    return entry
  }

  function settle(runId: string, entry: Entry): void {
    if (entry.kept || entry.users > 0 || entries.get(runId) !== entry) return
    entries.delete(runId)
    onClose(runId)
  }

  async function use<T>(runId: string, action: (runLog: RunLog, entry: Entry) => Promise<T>): Promise<T> {
    const entry = entryOf(runId)
    entry.users += 1
    try {
      entry.runLog = await entry.opening
      return await action(entry.runLog, entry)
    } finally {
      entry.users -= 1
      settle(runId, entry)
    }
  }

  return {
    find(runId) {
      const entry = entries.get(runId)
      return entry?.kept === true ? entry.runLog : null
    },
    open: (runId) =>
      use(runId, (runLog, entry) => {
        entry.kept = true
        return Promise.resolve(runLog)
      }),
    close(runId) {
      const entry = entries.get(runId)
      if (entry === undefined) return
      entry.kept = false
      settle(runId, entry)
    },
    use,
    list: () => [...entries].flatMap(([runId, { kept }]) => (kept ? [runId] : [])),
  }
}
