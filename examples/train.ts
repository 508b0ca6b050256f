// Trains a small network through the API and shows each epoch.
import { createClient, TrainqlClientError } from 'trainql'

const client = createClient({
  url: process.env['TRAINQL_URL'] ?? 'http://127.0.0.1:4000',
  onReconnect: ({ reason, delayMs }) => {
    console.error(`${reason.message} Trying again in ${Math.round(delayMs)} ms.`)
  },
})

try {
  const { id } = await client.createRun({
    name: 'first steps',
    dataset: 'shapes',
    trainImages: 2048,
    validationImages: 512,
    epochs: 2,
    globalBatch: 64,
    optimizer: { kind: 'ADAM' },
    devices: { count: 1, kind: 'CPU' },
  })
  console.log(`run ${id}`)

  for await (const event of client.runEvents(id)) {
    if (event.__typename === 'StartedEvent') console.log(`engine: ${event.engine} on ${event.devices.join(', ')}`)
    if (event.__typename === 'StepEvent') console.log(`step ${event.step}: loss ${event.loss}`)
    if (event.__typename === 'EpochEvent') {
      const { epoch, accuracy, imagesPerSecond } = event.metrics
      console.log(`epoch ${epoch}: accuracy ${accuracy}, ${Math.round(imagesPerSecond)} images/s`)
    }
  }

  const { state, failure } = await client.waitForRun(id)
  if (state !== 'SUCCEEDED') throw new Error(`The run ended as ${state}: ${failure?.message ?? ''}`)
  const [checkpoint] = (await client.checkpoints({ runId: id, last: 1 })).nodes
  console.log(`checkpoint ${checkpoint?.path} (sha-256 ${checkpoint?.sha256})`)
} catch (error) {
  if (!(error instanceof TrainqlClientError)) throw error
  console.error(`${error.code}: ${error.message}\n${error.fix}`)
  process.exitCode = 1
} finally {
  await client.close()
}
