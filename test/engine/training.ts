// A few steps of training, and every bit that they leave.
import type { Session, StateDict } from '../../src/trainer/engine.ts'
import type { ModelGraph } from '../../src/trainer/models/graph.ts'
import { batchOf } from './harness.ts'

export interface TrainedBits {
  losses: number[]
  state: StateDict
  /** Of the optimiser. */
  slots: StateDict
}

export async function trainedBits(
  session: Session,
  { graph, globalBatch, steps = 4 }: { graph: ModelGraph; globalBatch: number; steps?: number },
): Promise<TrainedBits> {
  const losses: number[] = []
  for (let step = 0; step < steps; step += 1)
    losses.push((await session.step(batchOf(graph, globalBatch, step), 0.01)).loss)
  return { losses, state: await session.readState(), slots: (await session.readOptimizerState()).tensors }
}
