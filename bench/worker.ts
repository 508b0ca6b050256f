// A child process that answers requests over stdin and stdout, one JSON line each: either side of a comparison.
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { z } from 'zod'
import { BenchError } from './bench.ts'

export interface WorkerCommand {
  /** For messages, such as `PyTorch (channels_last)`. */
  name: string
  command: string
  args: readonly string[]
  env?: Record<string, string>
  /** How long it may take until it is ready. */
  readyWithinMs: number
}

export interface Worker<Ready> {
  readonly name: string
  readonly pid: number
  /** What it said of itself when it was ready. */
  readonly ready: Ready
  /**
   * Sends one request and waits for its answer.
   * @throws BenchError where the process ends, or does not answer within the time given; it is killed then.
   */
  ask<T extends z.ZodType>(request: unknown, answer: T, limit?: { withinMs: number }): Promise<z.output<T>>
  /** Ends its input and waits until it is gone; kills it after a grace time. */
  close(): Promise<void>
}

const graceMs = 10_000
/** No turn of any side takes this long, unless something hangs. */
const answerWithinMs = 300_000
const stderrKept = 4_000

/** @throws BenchError where the process ends, or is not ready in time; its last words are in the message. */
export async function startWorker<T extends z.ZodType>(
  { name, command, args, env = {}, readyWithinMs }: WorkerCommand,
  readySchema: T,
): Promise<Worker<z.output<T>>> {
  const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'pipe'] })
  const gone = new Promise<void>((resolve) => child.once('close', () => resolve()))
  let words = ''
  child.stderr.on('data', (chunk: Buffer) => {
    words = (words + chunk.toString()).slice(-stderrKept)
  })
  // A write to a process that just died is answered by its end, which every reader below sees.
  child.stdin.on('error', () => undefined)
  const startError = new Promise<never>((_, reject) => child.once('error', reject))
  startError.catch(() => undefined)
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()

  async function nextLine(): Promise<unknown> {
    const line = await Promise.race([lines.next(), startError])
    if (line.done === true) {
      await gone
      const how = child.signalCode ?? `status ${child.exitCode}`
      throw new BenchError(`${name} ended with ${how}.${words === '' ? '' : `\n${words.trimEnd()}`}`)
    }
    return JSON.parse(line.value)
  }

  /** What `reading` yields, unless it takes longer than it may. */
  async function within<T>(ms: number, reading: () => Promise<T>): Promise<T> {
    const late = setTimeout(() => child.kill('SIGKILL'), ms)
    try {
      return await reading()
    } finally {
      clearTimeout(late)
    }
  }

  async function close(): Promise<void> {
    child.stdin.end()
    const kill = setTimeout(() => child.kill('SIGKILL'), graceMs)
    await gone
    clearTimeout(kill)
  }

  try {
    const ready = readySchema.parse(await within(readyWithinMs, nextLine))
    const { pid } = child
    if (pid === undefined) throw new BenchError(`${name} did not start.`)
    return {
      name,
      pid,
      ready,
      close,
      ask: async (request, answer, { withinMs } = { withinMs: answerWithinMs }) => {
        child.stdin.write(`${JSON.stringify(request)}\n`)
        return answer.parse(await within(withinMs, nextLine))
      },
    }
  } catch (error) {
    child.kill('SIGKILL')
    throw error
  }
}

/** Closes every worker that was opened, whatever happens. */
export async function withWorkers<T>(
  work: (open: <W extends Worker<unknown>>(starting: Promise<W>) => Promise<W>) => Promise<T>,
): Promise<T> {
  const opened: Worker<unknown>[] = []
  try {
    return await work(async (starting) => {
      const worker = await starting
      opened.push(worker)
      return worker
    })
  } finally {
    await Promise.all(opened.map((worker) => worker.close()))
  }
}

/** Answer of a training worker to `{steps: n}`; the last step's loss, null where it is no finite number. */
export const stepsAnswer = z.object({ seconds: z.array(z.number().positive()), loss: z.number().nullable() })
