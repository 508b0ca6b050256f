// What there is to know of a process that lives and does not answer, kept in files before it is ended: where its threads
// wait, its own report of what it runs, what its memory holds, and the end of its log.
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const [reportSignal, heapSignal] = ['SIGUSR2', 'SIGQUIT'] as const

/** Arguments of Node with which a process can be diagnosed; its files come into the folder. */
export function diagnosable(folder: string): string[] {
  return [
    '--report-on-signal',
    `--report-signal=${reportSignal}`,
    `--heapsnapshot-signal=${heapSignal}`,
    `--report-directory=${folder}`,
    `--diagnostic-dir=${folder}`,
  ]
}

export interface Suspect {
  pid: number
  /** That its Node was given. */
  folder: string
  logFile: string
}

const patienceMs = 10_000
const lookEveryMs = 100
/** A thread's place in the kernel, as far as this user may see it. */
const threadFiles = ['comm', 'wchan', 'syscall', 'stack', 'status']

/** Returns what it can in a few seconds, into a folder of its own beside the others. */
export async function diagnose({ pid, folder, logFile }: Suspect): Promise<string> {
  const kept = join(folder, `silent-${pid}`)
  mkdirSync(kept, { recursive: true })
  writeFileSync(join(kept, 'threads.txt'), describeThreads(pid))
  if (existsSync(logFile)) cpSync(logFile, join(kept, 'server.log'))
  // The report comes from a process that is busy too; the heap, with every promise it waits for, from an idle one alone.
  for (const [signal, end] of [
    [reportSignal, '.json'],
    [heapSignal, '.heapsnapshot'],
  ] as const) {
    if (!tell(pid, signal)) break
    await written(folder, (name) => name.includes(`.${pid}.`) && name.endsWith(end))
  }
  return kept
}

/** False where it is gone. */
function tell(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal)
  } catch {
    return false
  }
}

function describeThreads(pid: number): string {
  const read = (file: string): string => {
    try {
      return readFileSync(file, 'utf8').trimEnd()
    } catch (error) {
      return error instanceof Error ? error.message : String(error)
    }
  }
  const folder = `/proc/${pid}/task`
  const threads = existsSync(folder) ? readdirSync(folder) : []
  return threads
    .map((thread) => threadFiles.map((name) => `${thread} ${name}: ${read(join(folder, thread, name))}`).join('\n'))
    .join('\n\n')
}

/** Resolves once there is such a file with a whole JSON object in it, or it takes too long. */
async function written(folder: string, isMeant: (name: string) => boolean): Promise<void> {
  const lateMs = performance.now() + patienceMs
  const isWhole = (name: string): boolean => readFileSync(join(folder, name)).subarray(-2).toString().includes('}')
  while (!readdirSync(folder).some((name) => isMeant(name) && isWhole(name)) && performance.now() < lateMs)
    await sleep(lookEveryMs)
}
