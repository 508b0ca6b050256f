// Calls back when a file in a folder may have grown: by the operating system's notice where it works, by looking where
// it does not (network file systems, watch limits).
import { type FSWatcher, watch } from 'node:fs'
import { basename, dirname } from 'node:path'

/** How late a change is seen where the notice fails. */
const pollMs = 250

export interface FileFollower {
  stop(): void
}

/** The file may be absent; its folder may not. */
export function followFile(file: string, onChange: () => void): FileFollower {
  const timer = setInterval(onChange, pollMs).unref()
  let watcher: FSWatcher | null = null
  try {
    watcher = watch(dirname(file), { persistent: false }, (_event, name) => {
      if (name === null || name === basename(file)) onChange()
    })
    watcher.on('error', () => watcher?.close())
  } catch {
    // Out of watches: the timer does alone.
  }
  return {
    stop() {
      clearInterval(timer)
      watcher?.close()
    },
  }
}
