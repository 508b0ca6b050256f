// The rebuild process's entry: `main.ts REQUEST_JSON`, started by `trainql db rebuild`, with the server's settings in its
// environment. It prints JSON lines (src/shared/rebuild-process.ts), the last one the answer.
import 'reflect-metadata'
import { inspect } from 'node:util'
import { isTrainqlError } from '../../shared/errors.ts'
import { exitCodes } from '../../shared/exit-codes.ts'
import { parseRebuildRequest, type RebuildAnswer, type RebuildProgress } from '../../shared/rebuild-process.ts'
import { readConfig } from '../config.ts'
import { createLog } from '../log.ts'
import { rebuild } from './rebuild.ts'

const progressEveryMs = 100

const stopping = new AbortController()
const stop = (): void => stopping.abort()
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, stop)
// Nobody listens any more.
process.stdout.on('error', stop)
process.stderr.on('error', () => undefined)

const code = await main(process.argv[2] ?? '')
process.stdout.write('', () => process.exit(code))

async function main(request: string): Promise<number> {
  try {
    const { home, databaseUrl, databaseOpenSeconds, debugLog } = readConfig(process.env)
    const { signal } = stopping
    const log = createLog({ debug: debugLog })
    const onProgress = seldom(print)
    const place = { home, databaseUrl, databaseOpenSeconds }
    print(await rebuild({ ...parseRebuildRequest(JSON.parse(request)), ...place, signal, onProgress, log }))
    return exitCodes.finished
  } catch (error) {
    if (stopping.signal.aborted) return exitCodes.stopped
    if (isTrainqlError(error)) {
      const { code: kind, message, fix } = error
      print({ kind: 'FAILED', code: kind, message, fix })
    } else {
      process.stderr.write(`${inspect(error)}\n`)
      const message = `The rebuild met an error it does not know: ${error instanceof Error ? error.message : String(error)}.`
      print({
        kind: 'FAILED',
        code: 'INTERNAL',
        message,
        fix: 'What was stored is unchanged. Report it, with the log.',
      })
    }
    return 1
  }
}

function print(answer: RebuildAnswer): void {
  process.stdout.write(`${JSON.stringify(answer)}\n`)
}

/** Not more often than anybody reads, and of each stage the first. */
function seldom(action: (progress: RebuildProgress) => void): (progress: RebuildProgress) => void {
  let last = { at: -Infinity, stage: '' }
  return (progress) => {
    const at = performance.now()
    const { stage } = progress
    if (stage === last.stage && at - last.at < progressEveryMs) return
    last = { at, stage }
    action(progress)
  }
}
