// What a run left behind that a replay can be held to: the losses in its logs, the engines that computed them, and its
// checkpoints. Only reads.
import { createReadStream } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { parseTrainerEvent } from '../../shared/events.ts'
import { checkpointsFolder, eventsFile, findCheckpointNameParts } from '../../shared/run-directory.ts'

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
  /** Names by step, of each step the newest attempt's. */
  checkpoints: ReadonlyMap<number, string>
  /** 0 where there is none. */
  lastStep: number
}

export async function readRunRecord(directory: string): Promise<RunRecord> {
  const losses = new Map<number, RecordedLoss[]>()
  const engines = new Map<number, string>()
  for (const attempt of await listAttempts(directory)) {
    for await (const line of wholeLines(eventsFile(directory, attempt))) {
      const event = parseTrainerEvent(JSON.parse(line))
      if (event.type === 'started') engines.set(attempt, `${event.engine} (${event.engineDetail})`)
      if (event.type !== 'step') continue
      const { step, loss } = event
      losses.set(step, [...(losses.get(step) ?? []), { attempt, loss }])
    }
  }
  return {
    losses,
    engines,
    checkpoints: await listCheckpoints(directory),
    lastStep: [...losses.keys()].reduce((last, step) => Math.max(last, step), 0),
  }
}

async function listAttempts(directory: string): Promise<number[]> {
  return (await readdir(directory))
    .flatMap((entry) => {
      const number = /^events\.([1-9]\d*)\.jsonl$/.exec(entry)?.[1]
      return number === undefined ? [] : [Number(number)]
    })
    .sort((a, b) => a - b)
}

async function listCheckpoints(directory: string): Promise<Map<number, string>> {
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
