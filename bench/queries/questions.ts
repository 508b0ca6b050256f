// What a dashboard asks of a server that knows many runs: each question in a few variants that are asked in turn, so that no
// answer is the one of a row that was just read.
import type { Client, RunState } from '../../src/sdk/index.ts'
import { architectures, datasets, deviceCount, nameWords, type PopulatedRun } from './population.ts'

/** @param turn another variant each */
export type Question = (client: Client, turn: number) => Promise<unknown>

const pageSize = 20

/** In the order in which they are measured. */
export const questionNames = [
  ...[
    'list-first-page',
    'list-states',
    'list-name',
    'list-name-rare',
    'list-architecture',
    'list-dataset',
    'list-device',
  ],
  ...['list-created', 'list-forked-from', 'list-combined', 'list-deep-page', 'list-total'],
  ...[
    'run-page',
    'epochs',
    'checkpoints',
    'chart-longest-500',
    'chart-longest-1000',
    'chart-longest-zoom',
    'chart-small-1000',
  ],
  'charts-of-a-page',
] as const
export type QuestionName = (typeof questionNames)[number]

export function questions(runs: readonly PopulatedRun[]): Record<QuestionName, Question> {
  const idOf = (index: number): string => (runs[index] as PopulatedRun).spec.runId
  const timeOf = (share: number): string =>
    (runs[Math.floor(share * (runs.length - 1))] as PopulatedRun).createdAt.toISOString()
  const longest = runs.reduce((best, run) => (run.course.steps > best.course.steps ? run : best))
  const origins = [...new Set(runs.flatMap(({ spec }) => spec.forkedFrom?.runId ?? []))]
  const ended = runs.filter(({ projected }) => projected.run.state === 'SUCCEEDED')
  const ordinary = (turn: number): PopulatedRun => ended[(turn * 7919) % ended.length] as PopulatedRun
  const of = <T>(values: readonly T[], turn: number): T => values[turn % values.length] as T
  const page = { first: pageSize }
  const chart = (maxPoints: number) => (client: Client, turn: number) =>
    // Another first step each time: what is asked for is never quite the same.
    client.stepMetrics(longest.spec.runId, { maxPoints, fromStep: turn })
  return {
    'list-first-page': (client) => client.runs(page),
    'list-states': (client, turn) => client.runs({ ...page, states: of(stateSets, turn) }),
    'list-name': (client, turn) => client.runs({ ...page, name: of(nameWords, turn).toUpperCase() }),
    'list-name-rare': (client, turn) => client.runs({ ...page, name: `#${(turn * 7919) % runs.length}` }),
    'list-architecture': (client, turn) => client.runs({ ...page, architecture: of(architectures, turn) }),
    'list-dataset': (client, turn) => client.runs({ ...page, dataset: of(datasets, turn) }),
    'list-device': (client, turn) => client.runs({ ...page, device: `cpu:${turn % deviceCount}` }),
    'list-created': (client, turn) =>
      client.runs({ ...page, createdFrom: timeOf((turn % 10) / 20), createdBefore: timeOf((turn % 10) / 20 + 0.3) }),
    'list-forked-from': (client, turn) => client.runs({ ...page, forkedFrom: of(origins, turn) }),
    'list-combined': (client, turn) =>
      client.runs({
        ...page,
        ...{ states: ['FAILED', 'CANCELED'], name: of(nameWords, turn), dataset: of(datasets, turn) },
        ...{ architecture: 'RESNET50', device: `cpu:${turn % deviceCount}`, createdFrom: timeOf(0.2) },
      }),
    'list-deep-page': (client, turn) =>
      client.runs({ ...page, after: cursorOf(idOf(Math.floor(runs.length / 10) + turn)) }),
    'list-total': (client, turn) => client.request(totalText, { states: of(stateSets, turn) }),
    'run-page': (client, turn) => client.request(runPageText, { id: ordinary(turn).spec.runId }),
    epochs: (client) => client.epochMetrics(longest.spec.runId),
    checkpoints: (client, turn) => client.checkpoints({ runId: ordinary(turn).spec.runId, last: pageSize }),
    'chart-longest-500': chart(500),
    'chart-longest-1000': chart(1000),
    'chart-longest-zoom': (client, turn) => {
      const fromStep = Math.floor(longest.course.steps / 3) + 100 * turn
      return client.stepMetrics(longest.spec.runId, { maxPoints: 1000, fromStep, toStep: fromStep + 20_000 })
    },
    'chart-small-1000': (client, turn) => client.stepMetrics(ordinary(turn).spec.runId, { maxPoints: 1000 }),
    'charts-of-a-page': (client, turn) =>
      client.request(chartsText, { after: cursorOf(idOf(Math.floor(runs.length / 2) + 30 + turn)) }),
  }
}

const stateSets: readonly RunState[][] = [
  ['SUCCEEDED'],
  ['FAILED'],
  ['CANCELED', 'FAILED'],
  ['QUEUED', 'PAUSED'],
  ['RUNNING'],
]

/** As the server makes them: what a client would have from a page before. */
function cursorOf(runId: string): string {
  return Buffer.from(`cursor:${runId}`).toString('base64url')
}

const totalText = 'query ($states: [RunState!]) { runs(first: 0, states: $states) { totalCount } }'

const chartsText = `query ($after: String) { runs(first: 5, after: $after) { nodes { id name
  stepMetrics(maxPoints: 500) { steps thinned points { step loss nonFinite } } } } }`

/** Everything that one page about a run shows at once. */
const runPageText = `query ($id: ID!) { run(id: $id) {
  id name state stateSince allowedActions version priority architecture dataset epochs globalBatch shards deviceNames engine
  engineDetail learningRate parameters attempt createdAt startedAt finishedAt directory lastCursor expectedEnd
  optimizer { kind } schedule { kind }
  progress { epoch epochs step steps imagesPerSecond loss }
  failure { code message fix step }
  devices { name model state run { id } }
  attempts { number deviceNames leasedAt startedAt startStep releasedAt fault }
  forkedFrom { id name } forks { id name }
  plan { basedOn grade { deviceNames } }
  epochMetrics { epoch step trainLoss validationLoss accuracy top5Accuracy superseded }
  stepMetrics(maxPoints: 500) { steps thinned points { step loss nonFinite learningRate } }
  checkpoints(last: 20) { totalCount nodes { id reference step bytes pinned deletedAt metrics { accuracy } } }
  events(last: 50) { nodes { __typename ... on RunEvent { cursor at } ... on StepEvent { step loss } } }
} }`
