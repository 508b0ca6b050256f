// Starts the checkpoint process, asks it one thing and gives its answer: the one way server and CLI reach checkpoint code.
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import {
  parseCheckpointAnswer,
  type CheckpointAnswer,
  type CheckpointRequest,
  type CheckpointRequestInput,
} from './checkpoint-tool.ts'
import { entryCommand } from './entry.ts'
import { TrainqlError } from './errors.ts'

/** The answer's kind by what was asked. */
interface AnswerKinds {
  INSPECT: 'INSPECTED'
  PRETRAINED: 'IMPORTED'
  IMPORT: 'IMPORTED'
  EXPORT: 'EXPORTED'
  VERIFY: 'VERIFIED'
  PROVE: 'PROVED'
}
type AnswerTo<Action extends CheckpointRequest['action']> = Extract<
  CheckpointAnswer,
  { kind: AnswerKinds[Action] | 'FAILED' }
>

export interface AskOptions {
  /** Ends the process: SIGTERM, on which it removes what it was writing, then SIGKILL after 5 s. */
  signal?: AbortSignal
  onProgress?: (progress: Extract<CheckpointAnswer, { kind: 'PROGRESS' }>) => void
  /** What the process writes to standard error: nothing, unless it has a bug. */
  onStderr?: (text: string) => void
}

/** V8's heap alone; tensors lie outside it. A file whose structure needs more ends the process, which is an answer too. */
const heapMegabytes = 1024
const killDelayMs = 5_000
const keptStderr = 16_384

/**
 * A FAILED answer is returned, not thrown: it may carry a load report.
 * @throws TrainqlError `OUT_OF_MEMORY` or `INTERNAL` where the process ended without an answer; the signal's reason.
 */
export async function askCheckpointProcess<Request extends CheckpointRequestInput>(
  request: Request,
  { signal, onProgress, onStderr }: AskOptions = {},
): Promise<AnswerTo<Request['action']>> {
  signal?.throwIfAborted()
  const [command, ...args] = entryCommand(new URL('../trainer/checkpoints/tool.ts', import.meta.url))
  const child = spawn(command, [`--max-old-space-size=${heapMegabytes}`, ...args, JSON.stringify(request)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let killing: NodeJS.Timeout | undefined
  const stop = (): void => {
    child.kill('SIGTERM')
    killing = setTimeout(() => child.kill('SIGKILL'), killDelayMs)
  }
  signal?.addEventListener('abort', stop, { once: true })

  let answer: CheckpointAnswer | undefined
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-keptStderr)
    onStderr?.(text)
  })
  const lines = createInterface({ input: child.stdout, crlfDelay: Infinity })
  const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, by) => resolve({ code, signal: by }))
  })
  // Its rejection is looked at below, after the lines are read.
  ended.catch(() => undefined)
  try {
    for await (const line of lines) {
      const said = parseCheckpointAnswer(JSON.parse(line))
      if (said.kind === 'PROGRESS') onProgress?.(said)
      else answer = said
    }
    const end = await ended
    signal?.throwIfAborted()
    if (answer === undefined) throw withoutAnswer(end, stderr)
    return answer as AnswerTo<Request['action']>
  } finally {
    signal?.removeEventListener('abort', stop)
    clearTimeout(killing)
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
  }
}

function withoutAnswer(
  { code, signal }: { code: number | null; signal: NodeJS.Signals | null },
  stderr: string,
): TrainqlError {
  // V8 aborts where its heap is full; the kernel kills where the machine's memory is.
  const cause = new Error(stderr)
  if (signal === 'SIGABRT' || signal === 'SIGKILL') {
    return new TrainqlError(
      {
        code: 'OUT_OF_MEMORY',
        message: `The checkpoint process was ended by ${signal} before it had an answer: it needed more memory than there is.`,
        fix: 'Use a machine with more free memory; where the file is a small one, it is no checkpoint that can be read.',
      },
      { cause },
    )
  }
  return new TrainqlError(
    {
      code: 'INTERNAL',
      message: `The checkpoint process ended (${signal ?? `exit code ${code ?? 'unknown'}`}) without an answer.`,
      fix: 'Report it, with the log.',
    },
    { cause },
  )
}
