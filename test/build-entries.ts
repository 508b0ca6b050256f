// Bundles the processes that only tests and benches start, so that they too run built: reading them through tsx takes longer
// than what they do. Their folder is this run's own.
import { mkdtempSync, rmSync } from 'node:fs'
import { relative, sep } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build, type Plugin } from 'vite'
import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  interface ProvidedContext {
    /** Folder of the bundles, as a URL. */
    builtEntries: string
  }
}

/** Entry files, by their place in the repository. One that is not among them runs from source. */
const entries = [
  'bench/main',
  'bench/workers/chaos',
  'test/server/fixtures/scripted-trainer',
  'test/server/fixtures/server-main',
  'test/trainer/fixtures/fill-checkpoints',
  'test/trainer/fixtures/fill-disk',
]

const inRepository = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url))

/** What is imported of `src` is there already, as set-up has built it. */
const fromDist: Plugin = {
  name: 'trainql:from-dist',
  enforce: 'pre',
  async resolveId(source, importer) {
    if (!source.startsWith('.')) return null
    const path = (await this.resolve(source, importer))?.id
    if (path === undefined || !path.startsWith(inRepository('src/'))) return null
    const built = relative(inRepository('src'), path).replaceAll(sep, '/').replace(/\.ts$/, '.js')
    return { id: new URL(built, pathToFileURL(inRepository('dist/'))).href, external: 'absolute' }
  },
}

/** A bench finds its peers, its data and the built server from where its source lies. */
const besideSource: Plugin = {
  name: 'trainql:beside-source',
  enforce: 'pre',
  transform(code, id) {
    if (!id.startsWith(inRepository('bench/')) || !code.includes('import.meta.url')) return null
    return { code: code.replaceAll('import.meta.url', JSON.stringify(pathToFileURL(id).href)), map: null }
  },
}

export default async function buildEntries(project: TestProject): Promise<() => void> {
  const folder = mkdtempSync(inRepository('build/test-entries-'))
  await build({
    configFile: false,
    logLevel: 'warn',
    plugins: [fromDist, besideSource],
    build: {
      ssr: true,
      target: 'node20',
      outDir: folder,
      rolldownOptions: {
        input: Object.fromEntries(entries.map((entry) => [entry, inRepository(`${entry}.ts`)])),
        output: { entryFileNames: '[name].js' },
      },
    },
  })
  project.provide('builtEntries', pathToFileURL(`${folder}/`).href)
  return () => {
    rmSync(folder, { recursive: true })
  }
}
