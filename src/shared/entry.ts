// How one of our processes starts another of our entry files, both built (`dist/*.js`) and from source under tsx.
import { existsSync } from 'node:fs'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'

/**
 * Command and arguments that run `entry`, given as the URL of its `.ts` source relative to the caller
 * (`new URL('../trainer/main.ts', import.meta.url)`). Beside built code the `.js` of the same name is taken.
 */
export function entryCommand(entry: URL): [command: string, ...args: string[]] {
  const source = fileURLToPath(entry)
  const built = source.replace(/\.ts$/, '.js')
  if (existsSync(built)) return [process.execPath, built]
  return [process.execPath, '--import', import.meta.resolve('tsx'), source]
}

/** Starts a worker thread of ours, by the same rule. */
export function startWorker(entry: URL, workerData: unknown): Worker {
  const source = fileURLToPath(entry)
  const built = source.replace(/\.ts$/, '.js')
  if (existsSync(built)) return new Worker(built, { workerData })
  // `--import tsx` has no effect in a worker thread of Node 20: there tsx is registered by call.
  const code = `import(${JSON.stringify(import.meta.resolve('tsx/esm/api'))})
    .then(({ register }) => { register(); return import(${JSON.stringify(pathToFileURL(source).href)}) })`
  return new Worker(code, { eval: true, workerData })
}
