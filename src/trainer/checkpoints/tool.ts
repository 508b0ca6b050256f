// The checkpoint process's entry: `tool.ts REQUEST_JSON`, started by src/shared/checkpoint-process.ts. Files of strangers
// are read in this process and no other. It prints JSON lines (src/shared/checkpoint-tool.ts), the last one the answer;
// its exit code is that of a failure in src/shared/exit-codes.ts, else 0. The request is one argument: it holds little
// but paths, so it stays far below the 128 KiB that Linux takes.
import { Console } from 'node:console'
import { inspect } from 'node:util'
import { parseCheckpointRequest, type CheckpointAnswer, type CheckpointRequest } from '../../shared/checkpoint-tool.ts'
import { isTrainqlError, TrainqlError } from '../../shared/errors.ts'
import { exitCodeOf, exitCodes, type ExitCode } from '../../shared/exit-codes.ts'
import type { Result } from './action.ts'
import { LoadRefused } from './load-refused.ts'
import { removeMarked } from './unfinished.ts'

// Standard output is the answers' alone, whatever a library thinks it has to say.
globalThis.console = new Console(process.stderr)

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, leave)
// Nobody listens any more.
process.stdout.on('error', leave)
process.stderr.on('error', () => undefined)

const code = await main(process.argv.slice(2))
process.stdout.write('', () => process.exit(code))

async function main(argv: readonly string[]): Promise<ExitCode> {
  try {
    print(await act(parseArgument(argv)))
    return exitCodes.finished
  } catch (error) {
    removeMarked()
    const { code, message, fix } = known(error)
    if (code === 'INTERNAL') process.stderr.write(`${inspect(error)}\n`)
    print({ kind: 'FAILED', code, message, fix, report: error instanceof LoadRefused ? error.report : null })
    return exitCodeOf(code)
  }
}

function act(request: CheckpointRequest): Promise<Result> {
  switch (request.action) {
    case 'EXPORT':
      return import('./actions/export.ts').then(({ run }) => run(request, print))
    case 'INSPECT':
      return import('./actions/inspect.ts').then(({ run }) => run(request, print))
    case 'IMPORT':
      return import('./actions/import.ts').then(({ run }) => run(request, print))
    case 'PRETRAINED':
      return import('./actions/pretrained.ts').then(({ run }) => run(request, print))
    case 'VERIFY':
      return import('./actions/verify.ts').then(({ run }) => run(request, print))
    case 'PREDICT':
      return import('./actions/predict.ts').then(({ run }) => run(request, print))
    case 'PROVE':
      return import('./actions/prove.ts').then(({ run }) => run(request, print))
    default:
      return request satisfies never
  }
}

function parseArgument(argv: readonly string[]): CheckpointRequest {
  const [text] = argv
  if (argv.length !== 1 || text === undefined) throw badRequest(`${argv.length} arguments`)
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (error) {
    throw badRequest(error instanceof Error ? error.message : String(error))
  }
  return parseCheckpointRequest(json)
}

function badRequest(got: string): TrainqlError {
  return new TrainqlError({
    code: 'INVALID_INPUT',
    message: `Expected one argument, a checkpoint request as JSON; got ${got}.`,
    fix: 'Pass a request as src/shared/checkpoint-tool.ts describes it, or use `trainql checkpoint`.',
  })
}

function print(answer: CheckpointAnswer): void {
  process.stdout.write(`${JSON.stringify(answer)}\n`)
}

function leave(): void {
  removeMarked()
  process.exit(exitCodes.stopped)
}

function known(error: unknown): TrainqlError {
  if (isTrainqlError(error)) return error
  if (error instanceof RangeError && error.message.includes('allocation failed')) {
    return new TrainqlError({
      code: 'OUT_OF_MEMORY',
      message: `Expected room for the checkpoint in memory; ${error.message}.`,
      fix: 'Free memory, or use a machine with more of it.',
    })
  }
  return new TrainqlError({
    code: 'INTERNAL',
    message: 'The checkpoint process met an error it does not know.',
    fix: 'Report it, with what the process wrote to standard error.',
  })
}
