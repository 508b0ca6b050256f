// Process: one storm. Argument: its settings in JSON. Progress goes to standard error; the outcome is one JSON line on
// standard output. A signal, or the end of its input, ends it with everything it started.
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { settingsSchema, type StormAnswer } from '../chaos/answer.ts'
import { type FaultKind, faultKinds } from '../chaos/plan.ts'
import { keepEvidence, runScenario } from '../chaos/scenario.ts'
import { buildStaller } from '../chaos/stall.ts'
import { mountSmallDisk } from '../chaos/surroundings.ts'

const settings = settingsSchema.parse(JSON.parse(process.argv[2] ?? ''))
const { home, evidence, kinds } = settings
const interrupted = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interrupted.abort(new Error(signal)))
process.stdin.on('end', () => interrupted.abort(new Error('whoever had asked for the storm is gone'))).resume()
const begun = performance.now()
const note = (line: string): void => {
  process.stderr.write(`${((performance.now() - begun) / 1000).toFixed(0).padStart(5)} s  ${line}\n`)
}
const late = AbortSignal.timeout(settings.withinMs)
const signal = AbortSignal.any([interrupted.signal, late])

const skipped: StormAnswer['skipped'] = {}

/** What a kind needs; null where the machine does not have it, which `skipped` then tells. */
async function prepare<T>(kind: FaultKind, lack: string, make: () => Promise<T> | T): Promise<T | null> {
  if (!kinds.includes(kind)) return null
  try {
    return await make()
  } catch (error) {
    const [why] = String(error instanceof Error ? error.message : error).split('\n')
    skipped[kind] = `${lack} (${why})`
    return null
  }
}
const disk = await prepare('full-disks', 'no small file system can be mounted here', () =>
  mountSmallDisk(join(home, 'runs')),
)
const staller = await prepare('stalled-replicas', 'no thread of another process can be stopped here', () =>
  buildStaller(home),
)
const possible = faultKinds.filter((kind) => kinds.includes(kind) && skipped[kind] === undefined)

let keep = true
try {
  const outcome = await runScenario({ ...settings, kinds: possible }, { disk, staller, signal, note })
  keep = Object.values(outcome.broken).some(({ length }) => length > 0)
  const answer: StormAnswer = { ...outcome, skipped }
  process.stdout.write(`${JSON.stringify(answer)}\n`)
} catch (error) {
  if (interrupted.signal.aborted) keep = false
  const words = late.aborted
    ? 'It took too long.'
    : error instanceof Error
      ? (error.stack ?? error.message)
      : String(error)
  if (keep) process.stderr.write(`${words} What there is to look at lies in ${evidence}.\n`)
  process.exitCode = 1
} finally {
  // What lies on a file system of this process alone would go with it.
  if (keep) keepEvidence(home, evidence)
  if (disk === null) rmSync(join(home, 'runs'), { recursive: true, force: true })
}
process.exit()
