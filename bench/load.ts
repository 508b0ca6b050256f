// Whether a machine was quiet while something was measured on it.
import { busySeconds, processSeconds } from './machine.ts'
import { percent } from './report.ts'

/** Above this share of others' work on the cores a figure is doubtful, and says so. */
export const quietShare = 0.05

interface Process {
  readonly pid: number
}

/** Call what it gives to learn the share of the cores' time that processes other than these used meanwhile, 0 to 1. */
export function watchLoad(own: readonly Process[], cores: readonly number[]): () => number {
  const startedAt = performance.now()
  const before = { busy: busySeconds(cores), own: usedSeconds(own) }
  return () => {
    const wall = ((performance.now() - startedAt) / 1000) * cores.length
    return Math.max(0, (busySeconds(cores) - before.busy - (usedSeconds(own) - before.own)) / wall)
  }
}

/** Processor time that processes have used, all threads. */
export function usedSeconds(processes: readonly Process[]): number {
  return processes.reduce((sum, { pid }) => sum + processSeconds(pid), 0)
}

/** Says so where others' load makes a figure doubtful; gives the load back. */
export function warnOfLoad(foreignLoad: number, note: (line: string) => void): number {
  if (foreignLoad > quietShare) {
    note(`  ! other processes used ${percent(foreignLoad)} of the cores meanwhile: repeat on a quiet machine`)
  }
  return foreignLoad
}
