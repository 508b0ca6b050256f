// The learning rate and the warm-up that a run gets where nobody names them, and that a network learns by them.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseRunSpec } from '../../src/shared/run-spec.ts'
import { shapesDataset } from '../../src/shared/datasets.ts'
import { withDefaultWarmUp } from '../../src/server/runs/recipe-defaults.ts'
import { type RunRequest, specOf } from '../../src/server/runs/run-request.ts'
import type { RunningServer } from '../../src/server/start.ts'
import { probeNativeEngine } from '../../src/trainer/engines/native.ts'
import { createRun, makeFolder, query, removeFolder, startTestServer, waitForEvent } from './server.ts'

// Four steps an epoch, where neither batch nor images are others.
const small = { dataset: 'shapes', trainImages: 64, globalBatch: 16 }

test.each<[what: string, request: Partial<RunRequest>, learningRate: number, warmUpSteps: number]>([
  ['the default batch', { globalBatch: null, trainImages: null }, 0.1, 4],
  ['a batch of 64', { globalBatch: 64 }, 0.025, 0],
  ['a batch of 96, exactly', { globalBatch: 96, trainImages: 96 }, 0.0375, 0],
  ['9 steps are too few for a warm-up', { trainImages: 144 }, 0.00625, 0],
  ['43 steps warm up over a tenth', { trainImages: 688 }, 0.00625, 4],
  ['50 epochs over five', { epochs: 50 }, 0.00625, 20],
  ['60 epochs too', { epochs: 60 }, 0.00625, 20],
  ['a learning rate stands alone', { epochs: 50, learningRate: 0.1 }, 0.1, 0],
  ['a schedule too', { epochs: 50, schedule: { kind: 'COSINE' } }, 0.00625, 0],
  ['its own warm-up', { epochs: 50, schedule: { kind: 'CONSTANT', warmUpSteps: 3 } }, 0.00625, 3],
  ['Adam', { epochs: 50, optimizer: { kind: 'ADAM' } }, 0.001, 0],
  ['AdamW', { epochs: 50, optimizer: { kind: 'ADAMW' } }, 0.001, 0],
  ['another momentum', { epochs: 50, optimizer: { kind: 'SGD', momentum: 0.5 } }, 0.00625, 20],
])('%s', (_, change, learningRate, warmUpSteps) => {
  const request = { ...small, ...change }
  const spec = withDefaultWarmUp(parseRunSpec(specOf(request, 'run-1', null)), request, shapesDataset)
  expect(spec).toMatchObject({ learningRate, schedule: { warmUpSteps } })
})

const native = probeNativeEngine()

describe('with a trainer', () => {
  let home: string
  let server: RunningServer
  beforeAll(async () => {
    home = await makeFolder()
    server = await startTestServer(home)
  })
  afterAll(async () => {
    await server.close()
    await removeFolder(home)
  })

  test('two epochs at a batch of 64 learn the shapes', async (context) => {
    if (!native.available) context.skip(`needs the native engine: ${native.detail}`)
    const size = { trainImages: 8000, validationImages: 500, globalBatch: 64, epochs: 2 }
    const { id } = await createRun(server.url, { ...size, devices: { count: 2 }, engine: 'NATIVE' })
    await waitForEvent(server.url, id, 'RunEndedEvent')
    const text = `query ($id: ID!) { run(id: $id) { state learningRate schedule { warmUpSteps }
      epochMetrics { accuracy } } }`
    const { run } = await query<{ run: { epochMetrics: { accuracy: number }[] } }>(server.url, text, { id })
    expect(run).toMatchObject({ state: 'SUCCEEDED', learningRate: 0.025, schedule: { warmUpSteps: 25 } })
    // Of ten classes; with a rate of 0.1 it stays at chance.
    expect(run.epochMetrics[1]?.accuracy).toBeGreaterThan(0.25)
  })
})
