// The open logs of runs, one a run at most: two would number the server's events twice. Nobody opens or closes one: it is
// open while somebody uses it, and for as long as its run has not ended, which only a use can change. So whatever meets
// the end of a run, or its resumption, finds the log open.
import { isTerminal } from '../../shared/run-state.ts'
import type { OwnLog, RunLog } from './run-log.ts'

export interface RunLogs {
  /** A log is not to be touched once `action` is over: by then it may be another's. */
  use<T>(runId: string, action: (runLog: RunLog) => Promise<T>): Promise<T>
  /** An action in the run's one queue; see `RunLog.exclusively`. */
  exclusively<T>(runId: string, action: (log: OwnLog) => Promise<T>): Promise<T>
  /** Open runs that have not ended. */
  listLive(): string[]
  /** Lets go of a run that is no more. */
  drop(runId: string): void
}

interface Entry {
  opening: Promise<RunLog>
  /** Null until it is open. */
  runLog: RunLog | null
  users: number
}

/** `onClose` is called when a log has been closed. */
export function createRunLogs(openLog: (runId: string) => Promise<RunLog>, onClose: (runId: string) => void): RunLogs {
  const entries = new Map<string, Entry>()

  function entryOf(runId: string): Entry {
    const known = entries.get(runId)
    if (known !== undefined) return known
    const entry: Entry = { opening: openLog(runId), runLog: null, users: 0 }
    entries.set(runId, entry)
    return entry
  }

  function settle(runId: string, entry: Entry): void {
    if (entry.users > 0 || isLive(entry) || entries.get(runId) !== entry) return
    entries.delete(runId)
    onClose(runId)
  }

  async function use<T>(runId: string, action: (runLog: RunLog) => Promise<T>): Promise<T> {
    const entry = entryOf(runId)
    entry.users += 1
    try {
      entry.runLog = await entry.opening
      return await action(entry.runLog)
    } finally {
      entry.users -= 1
      settle(runId, entry)
    }
  }

  return {
    use,
    exclusively: (runId, action) => use(runId, (runLog) => runLog.exclusively(action)),
    listLive: () => [...entries].flatMap(([runId, entry]) => (isLive(entry) ? [runId] : [])),
    drop(runId) {
      entries.delete(runId)
      onClose(runId)
    },
  }
}

function isLive({ runLog }: Entry): boolean {
  return runLog !== null && !isTerminal(runLog.run.state)
}
