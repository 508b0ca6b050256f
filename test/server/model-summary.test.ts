// The query for a model's layers, operations and memory, on a real server.
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { RunningServer } from '../../src/server/start.ts'
import { makeFolder, query, removeFolder, startTestServer } from './server.ts'

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

async function summarise(input: Record<string, unknown>, fields: string): Promise<unknown> {
  const text = `query ($input: ModelSummaryInput!) { modelSummary(input: $input) {
    __typename
    ... on ModelSummary { ${fields} }
    ... on InvalidInputFailure { code message fix field }
  } }`
  return (await query<{ modelSummary: unknown }>(server.url, text, { input })).modelSummary
}

test('without settings: ResNet-18 on ImageNet, with its published counts', async () => {
  const fields = `architecture channels height width classes parameters multiplyAdds forwardFlops trainingFlops stepFlops
    activations layers { name }`
  expect(await summarise({}, fields)).toEqual({
    __typename: 'ModelSummary',
    ...{ architecture: 'RESNET18', channels: 3, height: 224, width: 224, classes: 1000 },
    parameters: '11689512',
    multiplyAdds: '1814073344',
    forwardFlops: '3628146688',
    trainingFlops: '10648412160',
    stepFlops: String(256n * 10_648_412_160n),
    activations: '8230376',
    layers: expect.arrayContaining([{ name: 'layer4.1.relu_1' }]) as unknown,
  })
})

test('layers with shapes, and the memory of each replica and of all', async () => {
  const input = { ...{ channels: 1, height: 28, width: 28, classes: 10 }, devices: 2, optimizer: 'ADAM' }
  const { layers, memory } = (await summarise(
    input,
    `layers { name kind outputShape parameters forwardFlops trainingFlops activations }
     memory { weightBytes weightCopyBytes optimizerBytes gradientBytes activationBytes scratchBytes replicaBytes totalBytes }`,
  )) as { layers: unknown[]; memory: Record<string, string> }
  expect(layers).toHaveLength(68)
  expect(layers[0]).toEqual({
    ...{ name: 'conv1', kind: 'CONV', outputShape: [64, 14, 14], parameters: '3136' },
    ...{ forwardFlops: '1229312', trainingFlops: '2458624', activations: '12544' },
  })
  const bytes = (name: string): bigint => BigInt(memory[name] ?? '')
  expect(bytes('optimizerBytes')).toBe(2n * 4n * 11_175_370n)
  expect(bytes('replicaBytes')).toBe(
    bytes('gradientBytes') + bytes('activationBytes') + bytes('weightCopyBytes') + bytes('scratchBytes'),
  )
  expect(bytes('totalBytes')).toBe(bytes('weightBytes') + bytes('optimizerBytes') + 2n * bytes('replicaBytes'))
})

test('the largest that is allowed fits 64 bits', async () => {
  const largest = { channels: 256, height: 4096, width: 4096, classes: 1_000_000, globalBatch: 65_536, shards: 1024 }
  const { stepFlops } = (await summarise({ architecture: 'RESNET152', ...largest }, 'stepFlops')) as {
    stepFlops: string
  }
  expect(BigInt(stepFlops)).toBeGreaterThan(10n ** 18n)
})

test.each([
  [{ shards: 3 }, 'shards', 'Expected shards to be a power of two; got 3.'],
  [{ globalBatch: 250 }, 'globalBatch', 'Expected a global batch that 4 shards divide evenly; got 250.'],
  [{ devices: 8 }, 'devices', 'Expected 1, 2, 4 devices for 4 shards (a power of two, at most one per shard); got 8.'],
  [{ height: 0 }, 'height', undefined],
  [{ classes: 2_000_000 }, 'classes', undefined],
])('%j is declined', async (input, field, message) => {
  expect(await summarise(input, 'parameters')).toMatchObject({
    __typename: 'InvalidInputFailure',
    code: 'INVALID_INPUT',
    field,
    message: message ?? (expect.stringContaining(field) as string),
  })
})
