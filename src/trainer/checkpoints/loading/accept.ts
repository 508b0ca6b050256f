// From a file to weights that are taken, or to the reason why they are not: what importing and exporting begin with.
import type { TargetModel } from '../../../shared/checkpoint-tool.ts'
import { isTrainqlError, TrainqlError } from '../../../shared/errors.ts'
import { LoadRefused } from '../load-refused.ts'
import type { TensorSource } from '../state-dict.ts'
import { diagnose } from './diagnosis.ts'
import { planLoad, type LoadPlan } from './plan.ts'
import { findProblems, notFiniteProblem } from './problems.ts'
import { openSource, type OpenedSource } from './source.ts'
import { plannedTensors } from './values.ts'

export interface AcceptedPlan extends LoadPlan {
  graph: NonNullable<LoadPlan['graph']>
}

/** As `openSource`; the error says whether the file is cut short, damaged, or something else. */
export async function openForLoading(file: string): Promise<OpenedSource> {
  try {
    return await openSource(file)
  } catch (error) {
    if (!isTrainqlError(error) || error.code !== 'CHECKPOINT_INVALID') throw error
    const { message, fix } = await diagnose(file, error)
    throw new TrainqlError({ code: 'CHECKPOINT_INVALID', message, fix }, { cause: error })
  }
}

/** @throws LoadRefused with the first of the problems that stand in the way */
export function acceptedPlan(
  { source }: OpenedSource,
  { target, allowPartial }: { target: TargetModel; allowPartial: boolean },
): AcceptedPlan {
  const plan = planLoad(source, target)
  const [problem] = findProblems(plan, { target, allowPartial }).filter(({ blocks }) => blocks)
  if (problem !== undefined) throw new LoadRefused(problem, plan.report)
  const { graph } = plan
  // Without a graph nothing matches, and that is refused before.
  if (graph === null) throw new RangeError('a load plan without a model')
  return { ...plan, graph }
}

/** The plan's tensors; to read one that is not finite throws LoadRefused. */
export function finiteTensors(
  plan: AcceptedPlan,
  opened: OpenedSource,
  onRead: (bytes: number) => void = () => undefined,
): TensorSource {
  const onNonFinite = (name: string): never => {
    throw new LoadRefused(notFiniteProblem(name, 1), plan.report)
  }
  return plannedTensors(plan, opened, { onNonFinite, onRead })
}
