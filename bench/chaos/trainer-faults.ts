// What a storm does to trainers: ends them, in the middle of a line too, silences them, or stops the thread of one replica.
import { appendFileSync, readFileSync } from 'node:fs'
import { listWrittenParts, markLog } from './event-order.ts'
import { pause } from './pause.ts'
import type { PlannedFault } from './plan.ts'
import type { Deed, StormRecord } from './record.ts'
import { listReplicaThreads, type Staller } from './stall.ts'
import { listLiveTrainers, type LiveTrainer, signalTrainer } from './trainers.ts'

/** Each waits for the fault's time, and then for a trainer that lives and has nothing else done to it; null: the storm ended. */
export interface TrainerFaults {
  kill(fault: PlannedFault): Promise<Deed | null>
  freeze(fault: PlannedFault): Promise<Deed | null>
  stallReplica(fault: PlannedFault): Promise<Deed | null>
  tearLine(fault: PlannedFault): Promise<Deed | null>
}

export interface TrainerFaultsDeps {
  runsFolder: string
  staller: Staller | null
  record: StormRecord
  signal: AbortSignal
}

const lookEveryMs = 50
const stopLookEveryMs = 2

export function createTrainerFaults({ runsFolder, staller, record, signal }: TrainerFaultsDeps): TrainerFaults {
  /** Something is being done to them. */
  const taken = new Set<number>()

  /** `action` says what it did; null: this trainer is not, or no longer, one that it can be done to. */
  async function onTrainer(
    { delayMs, draw }: PlannedFault,
    action: (trainer: LiveTrainer) => Promise<string | null> | string | null,
  ): Promise<Deed | null> {
    if (!(await pause(delayMs, signal))) return null
    do {
      const free = listLiveTrainers(runsFolder).filter(({ identity }) => !taken.has(identity.pid))
      const trainer = free[Math.floor(draw * free.length)]
      if (trainer === undefined) continue
      const what = await withTrainer(trainer, action)
      if (what !== null) return { what: `attempt ${trainer.attempt}: ${what}`, runs: [trainer.runId] }
    } while (await pause(lookEveryMs, signal))
    return null
  }

  async function withTrainer(
    trainer: LiveTrainer,
    action: (trainer: LiveTrainer) => Promise<string | null> | string | null,
  ): Promise<string | null> {
    const { directory, attempt, identity } = trainer
    taken.add(identity.pid)
    try {
      for (const part of listWrittenParts(directory, attempt)) record.marks.push(markLog(part))
      return await action(trainer)
    } finally {
      taken.delete(identity.pid)
    }
  }

  /** What a trainer leaves that dies in the middle of a write: the beginning of a line, and never less than whole lines before. */
  async function tearLine(trainer: LiveTrainer): Promise<string | null> {
    const { runId, directory, attempt } = trainer
    signalTrainer(trainer, 'SIGSTOP')
    if (!(await hasStopped(trainer))) {
      signalTrainer(trainer, 'SIGCONT')
      return null
    }
    const log = listWrittenParts(directory, attempt).at(-1)
    if (log !== undefined) appendFileSync(log, `{"run":"${runId}","attempt":${attempt},"seq":`)
    signalTrainer(trainer, 'SIGKILL')
    return log === undefined ? 'killed before its first line' : 'killed in the middle of a line'
  }

  /** The signal has been sent: its main thread, which writes the log, stops before it does anything more. */
  async function hasStopped({ identity: { pid } }: LiveTrainer): Promise<boolean> {
    for (;;) {
      const state = stateOf(pid)
      if (state === 'T' || state === 't') return true
      if (state === null || state === 'Z' || state === 'X') return false
      if (!(await pause(stopLookEveryMs, signal))) return false
    }
  }

  return {
    kill: (fault) => onTrainer(fault, (trainer) => (signalTrainer(trainer, 'SIGKILL') ? 'killed' : null)),
    freeze: (fault) =>
      onTrainer(fault, async (trainer) => {
        if (!signalTrainer(trainer, 'SIGSTOP')) return null
        await pause(fault.lastsMs, signal)
        signalTrainer(trainer, 'SIGCONT')
        return `silent for ${fault.lastsMs} ms`
      }),
    stallReplica: (fault) =>
      onTrainer(fault, async ({ identity: { pid } }) => {
        const threads = listReplicaThreads(pid)
        const replica = Math.floor(fault.draw * threads.length)
        const thread = threads[replica]
        if (thread === undefined || staller === null) return null
        const end = await staller.stall(thread, fault.lastsMs)
        return `replica ${replica} of ${threads.length} stopped for ${fault.lastsMs} ms, and ${end}`
      }),
    tearLine: (fault) => onTrainer(fault, tearLine),
  }
}

/** What the kernel says its main thread does; null where it is gone. */
function stateOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat[stat.lastIndexOf(')') + 2] ?? null
  } catch {
    return null
  }
}
