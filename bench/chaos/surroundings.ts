// What lies around the processes of a storm and can be turned against them: their clock and their disk.
import { execFileSync } from 'node:child_process'
import { mkdirSync, statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Clock {
  /** What the processes are given, so that they look at this clock. */
  environment: Record<string, string>
  /** Moves it to so much before or behind the real one, for the server and every trainer. */
  jump(offsetMs: number): void
}

const preload = new URL('./preload.mjs', import.meta.url)

/** In the folder the preloaded module looks for what it is to do. */
export function openClock(folder: string): Clock {
  mkdirSync(folder, { recursive: true })
  const file = join(folder, 'clock-offset')
  const jump = (offsetMs: number): void => writeFileSync(file, String(offsetMs))
  jump(0)
  return { environment: { NODE_OPTIONS: `--import=${preload.href}`, CHAOS_FOLDER: folder }, jump }
}

export interface SmallDisk {
  /** Nothing more can be written. */
  fill(): void
  free(): void
}

const wholeMebibytes = 6144
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
