// What lies around the processes of a storm and can be turned against them: their clock, their database and their disk.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, renameSync, statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** What the processes are given so that they can be reached, through the folder in which the preloaded module looks. */
export function surroundingsEnvironment(folder: string): Record<string, string> {
  return { NODE_OPTIONS: `--import=${preload.href}`, CHAOS_FOLDER: folder }
}

export interface Clock {
  /** Moves it to so much before or behind the real one, for the server and every trainer. */
  jump(offsetMs: number): void
}

const preload = new URL('./preload.mjs', import.meta.url)

export function openClock(folder: string): Clock {
  const file = join(folder, 'clock-offset')
  const jump = (offsetMs: number): void => writeWhole(file, String(offsetMs))
  jump(0)
  return { jump }
}

export interface DatabaseSwitch {
  /** Ends the thread of the server's embedded database. False where no server that lives did so in time. */
  end(signal: AbortSignal): Promise<boolean>
}

const outageWithinMs = 2_000
const lookEveryMs = 20

export function openDatabaseSwitch(folder: string): DatabaseSwitch {
  const file = join(folder, 'database-outages')
  let asked = 0
  writeWhole(file, '0')
  const isDone = (): boolean => existsSync(`${file}.done`) && readFileSync(`${file}.done`, 'utf8') === String(asked)
  return {
    async end(signal) {
      asked += 1
      writeWhole(file, String(asked))
      const lateMs = performance.now() + outageWithinMs
      while (!isDone() && !signal.aborted && performance.now() < lateMs) await sleep(lookEveryMs)
      return isDone()
    },
  }
}

/** Whoever looks meanwhile finds what was there before. */
function writeWhole(file: string, text: string): void {
  writeFileSync(`${file}.tmp`, text)
  renameSync(`${file}.tmp`, file)
}

export interface SmallDisk {
  /** Nothing more can be written. */
  fill(): void
  free(): void
}

const wholeMebibytes = 7168
/** Less is what a file system keeps for itself. */
const leftBytes = 64 * 1024

/**
 * A file system of our own in the folder, in memory and of what is in it alone, which shrinks to its content when it is to be
 * full. It is there for this process and its children, and goes with them.
 * @throws Error where this process may not mount
 */
export function mountSmallDisk(folder: string): SmallDisk {
  mkdirSync(folder, { recursive: true })
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${wholeMebibytes}m`, 'tmpfs', folder], { stdio: 'pipe' })
  const resize = (size: string): void =>
    void execFileSync('mount', ['-o', `remount,size=${size}`, folder], { stdio: 'pipe' })
  return {
    fill() {
      const { bsize, blocks, bfree } = statfsSync(folder)
      resize(String((blocks - bfree) * bsize + leftBytes))
    },
    free: () => resize(`${wholeMebibytes}m`),
  }
}
