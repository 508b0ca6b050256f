// Says what a file or a checkpoint folder is and what would come of loading it: the doctor. Writes nothing.
import { stat } from 'node:fs/promises'
import type { CheckpointInspection, CheckpointProblem } from '../../../shared/checkpoint-tool.ts'
import { isTrainqlError } from '../../../shared/errors.ts'
import { elementCount } from '../../models/parameters.ts'
import type { RequestOf, RunAction, Say } from '../action.ts'
import type { FileTensor } from '../formats/tensor-file.ts'
import { diagnose } from '../loading/diagnosis.ts'
import { readOptimizer, type OptimizerReading } from '../loading/optimizer.ts'
import { planLoad, type LoadPlan } from '../loading/plan.ts'
import { findProblems, notFiniteProblem } from '../loading/problems.ts'
import { hashSource, NoTensors, openSource, type OpenedSource } from '../loading/source.ts'
import { plannedTensors } from '../loading/values.ts'

export const run: RunAction<'INSPECT'> = async (request, say) => ({
  kind: 'INSPECTED',
  inspection: await inspect(request, say),
})

/**
 * What cannot be read is no error here but a problem in the answer.
 * @throws TrainqlError `NOT_FOUND`
 */
export async function inspect({ file, target }: RequestOf<'INSPECT'>, say: Say): Promise<CheckpointInspection> {
  let opened: OpenedSource
  try {
    opened = await openSource(file)
  } catch (error) {
    if (!isTrainqlError(error) || error.code !== 'CHECKPOINT_INVALID') throw error
    return unreadable(file, {
      bytes: (await stat(file)).size,
      format: error instanceof NoTensors ? error.format : null,
      problem: await diagnose(file, error),
    })
  }
  try {
    const plan = planLoad(opened.source, target)
    const optimizer = await optimizerOf(opened, plan)
    const problems = [
      ...findProblems(plan, { target, allowPartial: false }),
      ...(await valueProblems(opened, plan, say)),
      ...optimizerProblems(optimizer),
    ].sort((a, b) => Number(b.blocks) - Number(a.blocks))
    return {
      file,
      bytes: opened.bytes,
      format: opened.source.format,
      layout: opened.source.layout,
      report: plan.report,
      loads: !problems.some(({ blocks }) => blocks),
      problems,
      parameters: countParameters(opened.weights),
      tensors: [...opened.weights].map(([name, { dtype, shape, storage }]) => ({
        name,
        dtype,
        shape: [...shape],
        device: storage.device,
      })),
      optimizer: describeOptimizer(optimizer),
      facts: { epoch: opened.facts.epoch, arch: opened.facts.arch, bestAccuracy: opened.facts.bestAccuracy },
    }
  } finally {
    await opened.close()
  }
}

async function optimizerOf(opened: OpenedSource, { graph, report }: LoadPlan): Promise<OptimizerReading> {
  if (graph === null) return { kind: 'NONE' }
  return readOptimizer(opened, { graph, prefix: report.strippedPrefix })
}

/** Reads every tensor that would be loaded: what cannot be read, or is not finite, is known then. */
async function valueProblems(opened: OpenedSource, plan: LoadPlan, say: Say): Promise<CheckpointProblem[]> {
  const notFinite: string[] = []
  let doneBytes = 0
  try {
    await hashSource(opened)
    const tensors = plannedTensors(plan, opened, {
      onNonFinite: (name) => notFinite.push(name),
      onRead: (bytes) => {
        doneBytes += bytes
        say({ kind: 'PROGRESS', doneBytes: Math.min(doneBytes, opened.bytes), ofBytes: opened.bytes })
      },
    })
    for (const tensor of tensors.values()) if ('read' in tensor) await tensor.read()
  } catch (error) {
    if (!isTrainqlError(error) || error.code !== 'CHECKPOINT_INVALID') throw error
    return [{ code: 'DAMAGED', blocks: true, message: error.message, fix: error.fix }]
  }
  const [first] = notFinite
  return first === undefined ? [] : [notFiniteProblem(first, notFinite.length)]
}

function optimizerProblems(reading: OptimizerReading): CheckpointProblem[] {
  if (reading.kind !== 'DECLINED') return []
  return [
    {
      code: 'OPTIMIZER',
      blocks: false,
      message: `The state of its optimiser cannot be taken over: ${reading.why}.`,
      fix: 'Begin with the weights alone.',
    },
  ]
}

function describeOptimizer(reading: OptimizerReading): CheckpointInspection['optimizer'] {
  if (reading.kind === 'NONE') return null
  if (reading.kind === 'DECLINED') return { kind: reading.of, step: 0, tensors: 0 }
  const tensors = [...reading.tensors.values()].filter((tensor) => tensor !== null).length
  return { kind: reading.optimizer.kind, step: reading.optimizer.step, tensors }
}

/** Of all but the statistics that batch norms keep. */
function countParameters(weights: ReadonlyMap<string, FileTensor>): number {
  let count = 0
  for (const [name, { shape }] of weights)
    if (!/(^|\.)(running_mean|running_var|num_batches_tracked)$/.test(name)) count += elementCount(shape)
  return Math.min(count, Number.MAX_SAFE_INTEGER)
}

interface Unreadable {
  bytes: number
  format: CheckpointInspection['format']
  problem: CheckpointProblem
}

function unreadable(file: string, { bytes, format, problem }: Unreadable): CheckpointInspection {
  return {
    file,
    bytes,
    format,
    layout: null,
    report: null,
    loads: false,
    problems: [problem],
    parameters: 0,
    tensors: [],
    optimizer: null,
    facts: { epoch: null, arch: null, bestAccuracy: null },
  }
}
