// Stops the thread of one replica for a while: from outside, by a small program (`stall-thread.c`) that is compiled here.
import { execFile, execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export type StallEnd = 'went on' | 'ended meanwhile'

export interface Staller {
  /** Stops a thread; resolves when it goes on, or has ended with its process. */
  stall(thread: number, ms: number): Promise<StallEnd>
}

const source = fileURLToPath(new URL('stall-thread.c', import.meta.url))
const endedMeanwhile = 3

/**
 * Compiles the program into the folder and tries it.
 * @throws Error where there is no compiler, or a process may not stop another's thread
 */
export async function buildStaller(folder: string): Promise<Staller> {
  const program = join(folder, 'stall-thread')
  execFileSync(process.env['CC'] ?? 'cc', ['-O1', '-o', program, source], { stdio: 'pipe' })

  function stall(thread: number, ms: number): Promise<StallEnd> {
    return new Promise((resolve, reject) => {
      execFile(program, [String(thread), String(ms)], (error, _stdout, stderr) => {
        if (error === null) resolve('went on')
        else if (error.code === endedMeanwhile) resolve('ended meanwhile')
        else reject(new Error(`a thread could not be stopped: ${stderr.trim() || error.message}`))
      })
    })
  }

  const bystander = execFile('sleep', ['60'])
  try {
    await stall(bystander.pid ?? 0, 1)
  } finally {
    bystander.kill('SIGKILL')
  }
  return { stall }
}

/** The threads of a trainer's replicas, by the names that the native engine gives them; none before training begins. */
export function listReplicaThreads(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`)
      .filter((thread) => readFileSync(`/proc/${pid}/task/${thread}/comm`, 'utf8').startsWith('replica-'))
      .map(Number)
  } catch {
    // The process is gone, or a thread between the two looks.
    return []
  }
}
