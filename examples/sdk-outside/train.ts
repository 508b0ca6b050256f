// A script of another project: types and code come from the package alone.
import { createClient, TrainqlFailure, type Run, type RunEvent } from 'trainql'

await using client = createClient({ url: process.env['TRAINQL_URL'] ?? 'http://127.0.0.1:4000' })

let run: Run
try {
  run = await client.createRun({ dataset: 'shapes', trainImages: 512, validationImages: 128, globalBatch: 64 })
} catch (error) {
  if (!(error instanceof TrainqlFailure)) throw error
  console.error(`${error.code} ${error.field ?? ''}: ${error.message} ${error.fix}`)
  process.exit(1)
}

const describe = (event: RunEvent): string =>
  event.__typename === 'StepEvent' ? `step ${event.step} loss ${event.loss}` : event.__typename
for await (const event of client.runEvents(run.id)) console.log(describe(event))
console.log((await client.waitForRun(run.id)).state)
