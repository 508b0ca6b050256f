// Calls back when files in a folder may have grown: by the operating system's notice where it works, by looking where
// it does not (network file systems, watch limits).
import { type FSWatcher, watch } from 'node:fs'

/** How late a change is seen where the notice fails. */
const pollMs = 250

export interface FileFollower {
  stop(): void
}

/** Files by whose names are meant; they may be absent, their folder may not. */
export function followFiles(folder: string, isMeant: (name: string) => boolean, onChange: () => void): FileFollower {
  const timer = setInterval(onChange, pollMs).unref()
  let watcher: FSWatcher | null = null
  try {
    watcher = watch(folder, { persistent: false }, (_event, name) => {
      if (name === null || isMeant(name)) onChange()
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
