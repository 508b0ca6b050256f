// The server's own events of a run are damaged on the disk: what comes before the damage counts, and there the run ends.
import type { TrainqlError } from '../../shared/errors.ts'
import type { ServerEvent, Unidentified } from '../../shared/events.ts'
import { isTerminal } from '../../shared/run-state.ts'
import type { RunProjection } from '../runs/run.projection.ts'

export interface LogDamage {
  error: TrainqlError
  /** Name of the damaged file, beside the one that took its place. */
  keptAs: string
}

/** Who has to know of a damaged log. */
export interface DamageListener {
  /** The run is about to end: resolves when its trainer, should one be in care, is gone. */
  endTrainer(runId: string, why: TrainqlError): Promise<void>
  /** It has ended; its devices are free. */
  ended(runId: string, damage: LogDamage): void
}

/** What the server decides where its events break off. A run that had ended before stays as it was. */
export function verdictOn(
  run: RunProjection,
  isReleased: boolean,
  { error, keptAs }: LogDamage,
): Unidentified<ServerEvent>[] {
  const { attempt, deviceNames: devices, state } = run
  if (isTerminal(state)) return []
  const { type, message, ...failure } = failedBy(error, run)
  const told = `${message} What came before counts; the damaged file is kept as ${keptAs}.`
  const released: Unidentified<ServerEvent>[] =
    attempt === 0 || isReleased ? [] : [{ type: 'released', toAttempt: attempt, devices, fault: null }]
  return [...released, { type, message: told, ...failure }]
}

/** The verdict on a run by what was found wrong with its directory. */
export function failedBy({ code, message, fix }: TrainqlError, { step }: Pick<RunProjection, 'step'>) {
  return { type: 'runFailed', code, message, fix, step: step === 0 ? null : step, nonFinite: false } as const
}
