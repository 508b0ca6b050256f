// The runs of a database that has been in use for a year: what they are, and the course that each took. The same for the same
// sizes and the same day.
import { emptyProjection, type ProjectedBatch, projectEvents } from '../../src/server/runs/run.projection.ts'
import type { RunEvent } from '../../src/shared/events.ts'
import { parseRunSpec, type RunSpec } from '../../src/shared/run-spec.ts'
import { createSortableId } from '../../src/shared/sortable-id.ts'
import { type Course, courseOf, type End } from './course.ts'

export interface Sizes {
  runs: number
  /** Of all runs together; a tenth is one run's. */
  steps: number
}

export interface PopulatedRun {
  spec: RunSpec
  createdAt: Date
  course: Course
  /** All its events but steps, epochs and checkpoints, each at its place in the stream. */
  events: { cursor: number; event: RunEvent }[]
  /** What those make of the run. */
  projected: ProjectedBatch
}

export const deviceCount = 8
export const datasets = ['fashion-mnist', 'cifar-10', 'imagenette', 'flowers', 'mnist', 'shapes'] as const
export const architectures = ['RESNET18', 'RESNET18', 'RESNET18', 'RESNET34', 'RESNET50', 'RESNET101'] as const
export const nameWords = ['baseline', 'warm-up', 'long', 'ablation', 'augmented', 'large batch'] as const

const yearMs = 365 * 86_400_000
/** Of a hundred runs; the newest few wait, and a few more are paused. */
const ends: readonly (readonly [End, number])[] = [
  ['SUCCEEDED', 72],
  ['FAILED', 12],
  ['CANCELED', 16],
]

/** In the order in which they were created. */
export function populate({ runs, steps }: Sizes, now: Date): PopulatedRun[] {
  const random = generator(1)
  const longest = Math.floor(runs / 2)
  const weights = Array.from({ length: runs }, (_, index) =>
    index === longest ? 0 : 0.05 + -Math.log(1 - random()) * (random() < 0.1 ? 5 : 1),
  )
  const perWeight = (0.9 * steps) / weights.reduce((sum, weight) => sum + weight, 0)
  const made: PopulatedRun[] = []
  weights.forEach((weight, index) => {
    const createdAt = new Date(now.getTime() - yearMs + Math.floor((yearMs * index) / runs))
    const isLongest = index === longest
    const stepsPerEpoch = isLongest ? 1_000 : pick([50, 100, 200], random)
    const wanted = isLongest ? steps / 10 : weight * perWeight
    const end = isLongest ? 'SUCCEEDED' : endOf(index, runs, random)
    const epochs = Math.max(1, Math.round(wanted / stepsPerEpoch))
    const spec = specOf({ createdAt, epochs, index, origin: random() < 0.05 ? made.at(-7) : undefined }, random)
    const devices = devicesOf(spec, random)
    const retried = !isLongest && epochs > 2 && random() < 0.05
    const course = courseOf({ end, epochs, stepsPerEpoch, retried, createdAt })
    made.push(runOf(spec, { createdAt, course, devices }))
  })
  return made
}

function runOf(
  spec: RunSpec,
  { createdAt, course, devices }: { createdAt: Date; course: Course; devices: string[] },
): PopulatedRun {
  const events = course.tell(spec, devices)
  // The events between are not told: each is put where its cursor says.
  let run = { ...emptyProjection, architecture: spec.model.architecture }
  const projected: ProjectedBatch = projectEvents(run, [])
  for (const { cursor, event } of events) {
    const batch = projectEvents({ ...run, lastCursor: cursor - 1 }, [event])
    run = { ...batch.run, architecture: spec.model.architecture }
    projected.attemptsLeased.push(...batch.attemptsLeased)
    projected.attemptsStarted.push(...batch.attemptsStarted)
    projected.attemptsReleased.push(...batch.attemptsReleased)
  }
  return {
    spec,
    createdAt,
    course,
    projected: { ...projected, run },
    events: events.filter(({ event }) => event.type !== 'step'),
  }
}

function endOf(index: number, runs: number, random: () => number): End {
  if (index >= runs * 0.99) return 'QUEUED'
  if (index >= runs * 0.97) return 'PAUSED'
  let left = random() * 100
  return ends.find(([, share]) => (left -= share) < 0)?.[0] ?? 'SUCCEEDED'
}

interface SpecWish {
  createdAt: Date
  epochs: number
  index: number
  origin: PopulatedRun | undefined
}

function specOf({ createdAt, epochs, index, origin }: SpecWish, random: () => number): RunSpec {
  const architecture = pick(architectures, random)
  const learningRate = pick([0.1, 0.03, 0.01, 0.003], random)
  return parseRunSpec({
    // Its time, and the run's number in place of what is random.
    runId: `${createSortableId(createdAt).slice(0, 10)}${String(index).padStart(16, '0')}`,
    name:
      random() < 0.1 ? null : `${pick(nameWords, random)} ${architecture.toLowerCase()} lr ${learningRate} #${index}`,
    model: { architecture },
    dataset: pick(datasets, random),
    epochs,
    globalBatch: 256,
    devices: { kind: 'COUNT', count: pick([1, 1, 2, 4], random), deviceKind: 'CPU' },
    optimizer: { kind: pick(['SGD', 'ADAM'] as const, random) },
    learningRate,
    schedule: { kind: 'COSINE' },
    seed: index,
    checkpoints: { keepLast: 3 },
    forkedFrom: origin === undefined ? null : { runId: origin.spec.runId, checkpoint: null },
  })
}

function devicesOf({ devices }: RunSpec, random: () => number): string[] {
  const count = devices.kind === 'COUNT' ? devices.count : 1
  const first = Math.floor(random() * (deviceCount - count + 1))
  return Array.from({ length: count }, (_, place) => `cpu:${first + place}`)
}

function pick<T>(values: readonly T[], random: () => number): T {
  return values[Math.floor(random() * values.length)] as T
}

/** Mulberry32: the same numbers each time. */
function generator(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
