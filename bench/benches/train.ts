// `train`: whole training steps beside PyTorch in the same run, two devices beside one, a busy neighbour, whole epochs.
import type { Precision } from '../../src/shared/run-spec.ts'
import { rowsOrReason, type Bench, type BenchOptions, type Row } from '../bench.ts'
import { describeMachine } from '../machine.ts'
import { measureBusyNeighbour } from '../train/busy-neighbour.ts'
import { contest } from '../train/contest.ts'
import { measureEpoch } from '../train/epoch.ts'
import { findCores, openField, type Cores, type Field } from '../train/field.ts'
import { peerPrecisions, whyNoBf16 } from '../train/precision.ts'
import { compareDevices } from '../train/scaling.ts'
import { busyNeighbour, comparisons, epochs, scalings, shapeKey, type Shape, type TrainTask } from '../train/tasks.ts'

export const train: Bench = {
  name: 'train',
  description: 'training steps and epochs beside PyTorch, two one-core devices; and two devices beside one',
  rowNames: [...comparisons, ...scalings, busyNeighbour, ...epochs].map(({ name }) => name),
  run,
}

async function* run(options: BenchOptions): AsyncGenerator<Row> {
  const cores = findCores()
  const wanted = <T extends TrainTask>(tasks: readonly T[]) => tasks.filter(({ name }) => options.rows.includes(name))
  const { possible, skipped } = splitByPrecision(wanted(comparisons), describeMachine().isa)
  yield* skipped
  const besides = [...wanted([busyNeighbour]), ...wanted(epochs)]
  if (possible.length + besides.length > 0) {
    // Asked before anything is measured: without its peer a row is no row.
    const field = openField(options, { cores, wanted: (shape) => precisionsFor(shape, possible) })
    for (const tasks of groupBy(possible, shapeKey)) yield* await contest(tasks, field)
    yield* measureBesides(field, options.rows)
  }
  for (const task of wanted(scalings)) yield* await scale(task, { ...options, cores })
}

async function* measureBesides(field: Field, names: readonly string[]): AsyncGenerator<Row> {
  if (names.includes(busyNeighbour.name))
    yield* await rowsOrReason([busyNeighbour.name], async () => [await measureBusyNeighbour(busyNeighbour, field)])
  for (const task of epochs.filter(({ name }) => names.includes(name)))
    yield* await rowsOrReason([task.name], async () => [await measureEpoch(task, field)])
}

function scale(task: TrainTask, options: BenchOptions & { cores: Cores }): Promise<Row[]> {
  return rowsOrReason([task.name], async () => [await compareDevices(task, options)])
}

/** What PyTorch must be tried in for the rows of a shape; fp32 where only the rows without precision ask. */
function precisionsFor(shape: Shape, tasks: readonly TrainTask[]): readonly Precision[] {
  const ofShape = tasks.filter((task) => shapeKey(task) === shapeKey(shape))
  return ofShape.some(({ precision }) => precision === 'BF16') ? peerPrecisions('BF16') : ['FP32']
}

/** Tasks that this machine can compute, and rows that say why it cannot the others. */
export function splitByPrecision(
  tasks: readonly TrainTask[],
  isa: readonly string[],
): { possible: readonly TrainTask[]; skipped: Row[] } {
  const reason = whyNoBf16(isa)
  if (reason === null) return { possible: tasks, skipped: [] }
  return {
    possible: tasks.filter(({ precision }) => precision !== 'BF16'),
    skipped: tasks
      .filter(({ precision }) => precision === 'BF16')
      .map(({ name }) => ({ name, status: 'skipped', reason })),
  }
}

function groupBy<T>(values: readonly T[], keyOf: (value: T) => string): T[][] {
  const groups = new Map<string, T[]>()
  for (const value of values) {
    const key = keyOf(value)
    groups.set(key, [...(groups.get(key) ?? []), value])
  }
  return [...groups.values()]
}
