// Starts one of our processes that is asked one thing: a JSON request as its argument, JSON lines out, the last one the answer.
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { entryCommand } from './entry.ts'

export interface AskedProcess<Said extends { kind: string }> {
  entry: URL
  request: unknown
  /** @throws where a line is none that it says */
  parse: (line: unknown) => Said
  /** For Node itself. */
  nodeArguments?: readonly string[]
  /** Beside the caller's own. */
  environment?: Record<string, string>
}

export interface AskOptions<Progress> {
  /** Ends the process: SIGTERM, on which it leaves nothing half done, then SIGKILL after 5 s. */
  signal?: AbortSignal
  onProgress?: (progress: Progress) => void
  /** What the process writes to standard error: nothing, unless it has a bug. */
  onStderr?: (text: string) => void
}

export interface Asked<Answer> {
  /** Null where it ended without one. */
  answer: Answer | null
  end: { code: number | null; signal: NodeJS.Signals | null }
  /** The last of it. */
  stderr: string
}

const killDelayMs = 5_000
const keptStderr = 16_384

type ProgressOf<Said> = Extract<Said, { kind: 'PROGRESS' }>

/** @throws the signal's reason */
export async function askProcess<Said extends { kind: string }>(
  { entry, request, parse, nodeArguments = [], environment = {} }: AskedProcess<Said>,
  { signal, onProgress, onStderr }: AskOptions<ProgressOf<Said>> = {},
): Promise<Asked<Exclude<Said, { kind: 'PROGRESS' }>>> {
  signal?.throwIfAborted()
  const [command, ...args] = entryCommand(entry)
  const child = spawn(command, [...nodeArguments, ...args, JSON.stringify(request)], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...environment },
  })
  let killing: NodeJS.Timeout | undefined
  const stop = (): void => {
    child.kill('SIGTERM')
    killing = setTimeout(() => child.kill('SIGKILL'), killDelayMs)
  }
  signal?.addEventListener('abort', stop, { once: true })

  let answer: Exclude<Said, { kind: 'PROGRESS' }> | null = null
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-keptStderr)
    onStderr?.(text)
  })
  const lines = createInterface({ input: child.stdout, crlfDelay: Infinity })
  const ended = new Promise<Asked<never>['end']>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, by) => resolve({ code, signal: by }))
  })
  // Its rejection is looked at below, after the lines are read.
  ended.catch(() => undefined)
  try {
    for await (const line of lines) {
      const said = parse(JSON.parse(line))
      if (said.kind === 'PROGRESS') onProgress?.(said as ProgressOf<Said>)
      else answer = said as Exclude<Said, { kind: 'PROGRESS' }>
    }
    const end = await ended
    signal?.throwIfAborted()
    return { answer, end, stderr }
  } finally {
    signal?.removeEventListener('abort', stop)
    clearTimeout(killing)
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
  }
}
