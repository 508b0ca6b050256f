// Starts the checkpoint process, asks it one thing and gives its answer: the one way server and CLI reach checkpoint code.
import { type Asked, askProcess, type AskOptions } from './ask-process.ts'
import {
  parseCheckpointAnswer,
  type CheckpointAnswer,
  type CheckpointRequest,
  type CheckpointRequestInput,
} from './checkpoint-tool.ts'
import { TrainqlError } from './errors.ts'

/** The answer's kind by what was asked. */
interface AnswerKinds {
  INSPECT: 'INSPECTED'
  PRETRAINED: 'IMPORTED'
  IMPORT: 'IMPORTED'
  EXPORT: 'EXPORTED'
  VERIFY: 'VERIFIED'
  PREDICT: 'PREDICTED'
  PROVE: 'PROVED'
}
type AnswerTo<Action extends CheckpointRequest['action']> = Extract<
  CheckpointAnswer,
  { kind: AnswerKinds[Action] | 'FAILED' }
>

/** V8's heap alone; tensors lie outside it. A file whose structure needs more ends the process, which is an answer too. */
const heapMegabytes = 1024

/**
 * A FAILED answer is returned, not thrown: it may carry a load report.
 * @throws TrainqlError `OUT_OF_MEMORY` or `INTERNAL` where the process ended without an answer; the signal's reason.
 */
export async function askCheckpointProcess<Request extends CheckpointRequestInput>(
  request: Request,
  options?: AskOptions<Extract<CheckpointAnswer, { kind: 'PROGRESS' }>>,
): Promise<AnswerTo<Request['action']>> {
  const entry = new URL('../trainer/checkpoints/tool.ts', import.meta.url)
  const nodeArguments = [`--max-old-space-size=${heapMegabytes}`]
  const asked = await askProcess({ entry, request, parse: parseCheckpointAnswer, nodeArguments }, options)
  if (asked.answer === null) throw withoutAnswer(asked)
  return asked.answer as AnswerTo<Request['action']>
}

function withoutAnswer({ end: { code, signal }, stderr }: Asked<CheckpointAnswer>): TrainqlError {
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
