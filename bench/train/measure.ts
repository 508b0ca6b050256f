// Rounds of whole training steps, and what every row of them says of itself.
import type { Detail } from '../bench.ts'
import { quietShare, warnOfLoad } from '../load.ts'
import { percent } from '../report.ts'
import { measureRounds, type Rounds, type RoundsOptions } from '../rounds.ts'
import type { Worker } from '../worker.ts'
import type { Field } from './field.ts'
import { enginePeriod } from './ours.ts'
import { recipe, type Shape, type TrainTask } from './tasks.ts'

/** Rounds over all workers, with the doubts that a disturbed machine gives. */
export async function measure(
  { globalBatch }: Shape,
  workers: readonly Worker<unknown>[],
  { rounds, cores, note, turnSeconds }: Pick<Field, 'rounds' | 'cores' | 'note'> & Pick<RoundsOptions, 'turnSeconds'>,
): Promise<Rounds> {
  const measured = await measureRounds(workers, {
    rounds,
    cores,
    period: enginePeriod,
    turnSeconds,
    onRound: (round, times) =>
      note(`  round ${round}/${rounds}: ${times.map((time) => (globalBatch / time).toFixed(1)).join(' | ')} images/s`),
  })
  warnOfLoad(measured.foreignLoad, note)
  if (measured.idleLoad > quietShare) {
    note(`  ! the sides that waited used ${percent(measured.idleLoad)} of the cores: they disturbed the other`)
  }
  return measured
}

/** What every row of whole training steps says of itself. */
export function shared(
  { globalBatch, shards }: TrainTask,
  { stepsPerTurn, foreignLoad, idleLoad, secondsPerStep }: Rounds,
): Detail {
  return {
    globalBatch,
    shards,
    rounds: secondsPerStep[0]?.length ?? 0,
    stepsPerRound: stepsPerTurn,
    update: `SGD, momentum ${recipe.momentum}, weight decay ${recipe.weightDecay}, all parameters`,
    foreignLoad,
    idleLoad,
  }
}
