// Which checkpoints a run keeps, as a pure function of what it has, its policy and its pins.
import type { CheckpointMetric, CheckpointPolicy } from '../../shared/run-spec.ts'
import type { Manifest } from './manifest.ts'

export interface CheckpointFacts extends Pick<Manifest, 'attempt' | 'epoch' | 'step' | 'metrics'> {
  name: string
}

/**
 * Names of the checkpoints to keep: what any of keepLast, keepBest and keepEvery keeps, the newest one, and those pinned;
 * all of them where the policy names none of the three.
 */
export function retained(
  checkpoints: readonly CheckpointFacts[],
  { keepLast, keepBest, keepEvery }: CheckpointPolicy,
  pins: ReadonlySet<string>,
): Set<string> {
  const inOrder = [...checkpoints].sort(byAge)
  if (keepLast === null && keepBest === null && keepEvery === null) return namesOf(inOrder)
  const ofEpochs = inOrder.filter(({ metrics }) => metrics !== null)
  return namesOf([
    ...inOrder.slice(-Math.max(1, keepLast ?? 1)),
    ...inOrder.filter(({ name }) => pins.has(name)),
    ...(keepBest === null ? [] : best(ofEpochs, keepBest)),
    ...(keepEvery === null ? [] : ofEpochs.filter(({ epoch }) => epoch % keepEvery === 0)),
  ])
}

/** Of equal ones the earlier; one whose metric is no number is never among the best. */
function best(
  ofEpochs: readonly CheckpointFacts[],
  { metric, count }: NonNullable<CheckpointPolicy['keepBest']>,
): CheckpointFacts[] {
  return ofEpochs
    .flatMap((facts) => {
      const cost = costOf(facts, metric)
      return cost === null ? [] : [{ facts, cost }]
    })
    .sort((a, b) => a.cost - b.cost)
    .slice(0, count)
    .map(({ facts }) => facts)
}

/** Less is better. */
function costOf({ metrics }: CheckpointFacts, metric: CheckpointMetric): number | null {
  if (metrics === null) return null
  switch (metric) {
    case 'VALIDATION_LOSS':
      return metrics.validationLoss
    case 'ACCURACY':
      return metrics.accuracy === null ? null : -metrics.accuracy
    default:
      return metric satisfies never
  }
}

/** An attempt begins where an earlier one was: its checkpoints are newer whatever their steps. */
function byAge(a: CheckpointFacts, b: CheckpointFacts): number {
  return a.attempt - b.attempt || a.step - b.step
}

function namesOf(checkpoints: readonly CheckpointFacts[]): Set<string> {
  return new Set(checkpoints.map(({ name }) => name))
}
