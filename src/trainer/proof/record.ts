// What a run left behind that a replay can be held to: the losses in its logs, the engines that computed them, and its
// checkpoints. Only reads.
import { createReadStream } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { parseTrainerEvent } from '../../shared/events.ts'
import {
  checkpointsFolder,
  eventsFile,
  findCheckpointNameParts,
  findEventsFileParts,
} from '../../shared/run-directory.ts'

export interface RecordedLoss {
  attempt: number
  /** Null where it was no finite number. */
  loss: number | null
}

export interface RunRecord {
  /** By global step; several where an attempt went over the steps of one before it again. */
  losses: ReadonlyMap<number, readonly RecordedLoss[]>
  /** `native (avx2, …)` by attempt. */
  engines: ReadonlyMap<number, string>
  /** The last one that any log knows; 0 where there is none. */
  lastStep: number
}

export interface StepRange {
  /** Behind this one. */
  from: number
  /** Up to this one; null: to the end. */
  to: number | null
}

/** Losses are those of the range alone: a log may be long. */
export async function readRunRecord(directory: string, { from, to }: StepRange): Promise<RunRecord> {
  const losses = new Map<number, RecordedLoss[]>()
  const engines = new Map<number, string>()
  let lastStep = 0
  for (const { attempt, part } of await listLogs(directory)) {
    for await (const line of wholeLines(eventsFile(directory, attempt, part))) {
      if (!tellingTypes.some((type) => line.includes(type))) continue
      const event = parseTrainerEvent(JSON.parse(line))
      if (event.type === 'started') engines.set(attempt, `${event.engine} (${event.engineDetail})`)
      if (event.type !== 'step') continue
      const { step, loss } = event
      lastStep = Math.max(lastStep, step)
      if (step > from && step <= (to ?? Infinity)) losses.set(step, [...(losses.get(step) ?? []), { attempt, loss }])
    }
  }
  return { losses, engines, lastStep }
}

/** As JSON.stringify writes them: other lines need not be parsed. */
const tellingTypes = ['"type":"step"', '"type":"started"']

/** The parts of all logs, in order. */
async function listLogs(directory: string): Promise<{ attempt: number; part: number }[]> {
  return (await readdir(directory))
    .flatMap((entry) => findEventsFileParts(entry) ?? [])
    .sort((a, b) => a.attempt - b.attempt || a.part - b.part)
}

/** Names by step, of each step the newest attempt's. */
export async function listCheckpoints(directory: string): Promise<Map<number, string>> {
  const named = (await readdir(checkpointsFolder(directory))).flatMap((name) => {
    const parts = findCheckpointNameParts(name)
    return parts === null ? [] : [{ name, ...parts }]
  })
  named.sort((a, b) => a.attempt - b.attempt)
  return new Map(named.map(({ step, name }) => [step, name]))
}

/** A last line that a crash cut short does not count. */
async function* wholeLines(file: string): AsyncGenerator<string, void> {
  let rest = ''
  for await (const piece of createReadStream(file, 'utf8') as AsyncIterable<string>) {
    const lines = (rest + piece).split('\n')
    rest = lines.pop() ?? ''
    yield* lines
  }
}
