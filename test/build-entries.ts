// Bundles the processes that only tests and benches start. Their folder is this run's own.
import { rmSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import type { TestProject } from 'vitest/node'
import { bundle } from '../bench/bundle.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Folder of the bundles, as a URL. */
    builtEntries: string
  }
}

/** Entry files. One that is not among them runs from source. */
const entries = [
  'bench/main',
  'bench/workers/chaos',
  'test/server/fixtures/scripted-trainer',
  'test/server/fixtures/server-main',
  'test/trainer/fixtures/fill-checkpoints',
  'test/trainer/fixtures/fill-disk',
]

export default async function buildEntries(project: TestProject): Promise<() => void> {
  const folder = await bundle(entries)
  project.provide('builtEntries', pathToFileURL(`${folder}/`).href)
  return () => {
    rmSync(folder, { recursive: true })
  }
}
