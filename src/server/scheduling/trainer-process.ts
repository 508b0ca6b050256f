// The trainer's process as the server holds it: one it has started, or one it has found running after a restart.
import { spawn } from 'node:child_process'
import { closeSync, existsSync, openSync } from 'node:fs'
import { entryCommand } from '../../shared/entry.ts'
import { exitCodes } from '../../shared/exit-codes.ts'
import { ownIdentity, type ProcessIdentity, processState } from '../../shared/process-identity.ts'
import { exitFile } from '../../shared/run-directory.ts'
import { readLock, trainerOutputFile } from './run-files.ts'

export interface TrainerExit {
  code: number | null
  signal: string | null
}

export interface TrainerProcess {
  readonly pid: number
  /** Resolves when the process is gone; null where this server did not start it and cannot know how. */
  readonly exited: Promise<TrainerExit | null>
  /** Whether it is known to be gone: `exited` is resolved, or about to be. */
  isGone(): boolean
  /** False: the process is gone already, or out of this machine's reach. */
  signal(signal: 'SIGTERM' | 'SIGKILL'): boolean
  /** Stops watching the process; `exited` then stays open. */
  unwatch(): void
}

/** Starts trainers on this machine, one process a run. */
export interface Launcher {
  /** @throws Error where the process cannot be started */
  launch(directory: string, attempt: number): Promise<TrainerProcess>
  /**
   * The process that holds the attempt; null where none ever did. One that is gone counts: its `exited` is resolved.
   * @throws TrainqlError `RUN_DIRECTORY_INVALID` where its lock does not say which
   */
  findHolder(directory: string, attempt: number): Promise<TrainerProcess | null>
}

/** Well under the five seconds in which a death must be known. */
const pollMs = 500

/** `entry` is the trainer's: started detached, in a session of its own, so that it outlives this server. */
export function createLocalLauncher(entry: URL): Launcher {
  return {
    async launch(directory, attempt) {
      const [command, ...args] = entryCommand(entry)
      const output = openSync(trainerOutputFile(directory), 'a')
      try {
        const child = spawn(command, [...args, directory, String(attempt)], {
          detached: true,
          stdio: ['ignore', output, output],
        })
        const exited = new Promise<TrainerExit>((resolve) => {
          child.once('exit', (code, signal) => resolve({ code, signal }))
        })
        await new Promise<void>((resolve, reject) => {
          child.once('spawn', resolve)
          child.once('error', reject)
        })
        child.unref()
        let holder: TrainerProcess | null = null
        return {
          pid: child.pid ?? 0,
          exited: exited.then(async (exit) => {
            // A second process of one attempt leaves at once: then the first one is the run's.
            if (exit.code === exitCodes.notOwner) holder = await findHolder(directory, attempt)
            return holder === null ? exit : holder.exited
          }),
          isGone: () => (holder === null ? child.exitCode !== null || child.signalCode !== null : holder.isGone()),
          signal: (signal) => (holder === null ? child.kill(signal) : holder.signal(signal)),
          unwatch: () => holder?.unwatch(),
        }
      } finally {
        closeSync(output)
      }
    },
    findHolder,
  }
}

async function findHolder(directory: string, attempt: number): Promise<TrainerProcess | null> {
  const holder = await readLock(directory, attempt)
  return holder === null ? null : watchProcess(holder, exitFile(directory, attempt))
}

/** Of a process on another host, or in another container, only its exit record tells that it has gone. */
function watchProcess(identity: ProcessIdentity, exitRecord: string): TrainerProcess {
  let timer: NodeJS.Timeout | undefined
  let watched = true
  const isGone = (): boolean => {
    const state = processState(identity)
    return state === 'unknown' ? existsSync(exitRecord) : state === 'dead'
  }
  const exited = new Promise<null>((resolve) => {
    const look = (): void => {
      if (isGone()) resolve(null)
      else if (watched) timer = setTimeout(look, pollMs).unref()
    }
    look()
  })
  return {
    pid: identity.pid,
    exited,
    isGone,
    signal(signal) {
      // Looked at once more: the number may belong to another process by now.
      if (processState(identity) !== 'alive' || identity.pid === ownIdentity().pid) return false
      return process.kill(identity.pid, signal)
    },
    unwatch() {
      watched = false
      clearTimeout(timer)
    },
  }
}
