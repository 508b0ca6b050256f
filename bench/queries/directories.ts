// The run directories that belong to the rows, as far as a start looks into them: the spec and the server's own events.
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { runsFolder } from '../../src/shared/checkpoint-reference.ts'
import { eventLine } from '../../src/shared/event-line.ts'
import { specFile } from '../../src/shared/run-directory.ts'
import type { PopulatedRun } from './population.ts'

/** What is in `events.server.jsonl`. */
export function serverLog({ events }: PopulatedRun): string {
  return events.flatMap(({ event }) => (event.attempt === 0 ? [eventLine(event)] : [])).join('')
}

export async function writeDirectories(home: string, runs: readonly PopulatedRun[]): Promise<void> {
  for (const run of runs) {
    const directory = join(runsFolder(home), run.spec.runId)
    await mkdir(directory, { recursive: true })
    await writeFile(specFile(directory), `${JSON.stringify(run.spec, null, 2)}\n`)
    await writeFile(join(directory, 'events.server.jsonl'), serverLog(run))
  }
}
