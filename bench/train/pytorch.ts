// The peer at its best: finds PyTorch, tries its memory layouts, its compiler and its allocators on a task, and
// keeps the quickest.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { BenchError } from '../bench.ts'
import { measureRounds, median, percent, quietShare } from '../rounds.ts'
import { startWorker, type Worker } from '../worker.ts'
import { recipe, type TrainTask } from './tasks.ts'

const readySchema = z
  .object({
    ready: z.object({
      version: z.string(),
      torchvision: z.string(),
      optimizer: z.string(),
      threads: z.number(),
      parameters: z.number(),
      /** Peak memory of the process when it had imported torch and done nothing else. */
      importedBytes: z.number(),
    }),
  })
  .transform(({ ready }) => ready)
export type PyTorchReady = z.output<typeof readySchema>

export interface Variant {
  layout: 'contiguous' | 'channels_last'
  compile: boolean
  /** Path of the allocator to preload; null for the C library's. */
  tcmalloc: string | null
}

export interface Qualified extends Variant {
  optimizer: string
  secondsPerStep: number
}

const script = fileURLToPath(new URL('../peer/train.py', import.meta.url))
const warmUpSteps = 3
/** A first compilation of ResNet-50 takes about two minutes on two cores. */
const readyWithinMs = 420_000
/** Of about a second each. */
const qualifyingRounds = 3

/**
 * The Python that has torch and torchvision: `TRAINQL_PYTHON`, the environment in build/peer, or python3.
 * @throws BenchError with the commands that install it.
 */
export function findPython(): string {
  const local = fileURLToPath(new URL('../../build/peer/bin/python', import.meta.url))
  const python = process.env['TRAINQL_PYTHON'] ?? (existsSync(local) ? local : 'python3')
  const { status, error, stderr } = spawnSync(python, ['-c', 'import torch, torchvision'], { encoding: 'utf8' })
  if (status === 0) return python
  throw new BenchError(
    `PyTorch is the peer of this row, and ${python} has none: ${error?.message ?? stderr.trim().split('\n').at(-1) ?? ''}\n` +
      'Install it with\n' +
      '  python3 -m venv build/peer && build/peer/bin/python -m pip install torch torchvision\n' +
      'or name a Python that has it: TRAINQL_PYTHON=/path/to/python npm run bench -- train',
  )
}

export async function startPyTorch(
  task: TrainTask,
  { python, cores, variant }: { python: string; cores: readonly number[]; variant: Variant & { optimizer?: string } },
): Promise<Worker<PyTorchReady>> {
  const { layout, compile, optimizer, tcmalloc } = variant
  const { architecture, channels, size, classes, globalBatch } = task
  const input = {
    ...{ architecture: architecture.toLowerCase(), channels, size, classes, globalBatch },
    ...{ layout, compile, optimizer, cores, warmUpSteps, ...recipe },
  }
  return startWorker(
    {
      name: `PyTorch (${describe(variant)})`,
      command: python,
      args: ['-u', script, JSON.stringify(input)],
      env: tcmalloc === null ? {} : { LD_PRELOAD: tcmalloc },
      readyWithinMs,
    },
    readySchema,
  )
}

/**
 * Tries every variant for a few seconds, one after the other, and gives them quickest first. A variant that does
 * not start in time, such as a compilation without a C++ compiler, is noted and left out.
 */
export async function qualify(
  task: TrainTask,
  { python, cores, note }: { python: string; cores: readonly number[]; note: (line: string) => void },
): Promise<Qualified[]> {
  note(`${task.name}: finding PyTorch's best settings`)
  const qualified: Qualified[] = []
  for (const variant of variants()) {
    let worker: Worker<PyTorchReady>
    try {
      worker = await startPyTorch(task, { python, cores, variant })
    } catch (error) {
      if (!(error instanceof BenchError)) throw error
      note(`  PyTorch ${describe(variant)}: left out: ${error.message.split('\n').at(-1) ?? ''}`)
      continue
    }
    try {
      const measured = await measureRounds([worker], { rounds: qualifyingRounds, cores, onRound: () => undefined })
      const secondsPerStep = median(measured.secondsPerStep[0] ?? [])
      qualified.push({ ...variant, optimizer: worker.ready.optimizer, secondsPerStep })
      const figure = `${(task.globalBatch / secondsPerStep).toFixed(1)} images/s, ${worker.ready.optimizer} SGD`
      const disturbed = measured.foreignLoad > quietShare ? `, disturbed (${percent(measured.foreignLoad)})` : ''
      note(`  PyTorch ${describe(variant)}: ${figure}${disturbed}`)
    } finally {
      await worker.close()
    }
  }
  if (qualified.length === 0) throw new BenchError('No variant of PyTorch could train this task.')
  return qualified.toSorted((a, b) => a.secondsPerStep - b.secondsPerStep)
}

export function describe({ layout, compile, tcmalloc }: Variant): string {
  return [layout, compile ? 'torch.compile' : 'eager', tcmalloc === null ? 'malloc' : 'tcmalloc'].join(', ')
}

function variants(): Variant[] {
  const allocators = [null, findTcmalloc()].filter((path, index) => index === 0 || path !== null)
  return [false, true].flatMap((compile) =>
    (['contiguous', 'channels_last'] as const).flatMap((layout) =>
      allocators.map((tcmalloc) => ({ layout, compile, tcmalloc })),
    ),
  )
}

/** gperftools' allocator, where the system has it. */
export function findTcmalloc(): string | null {
  const folders = ['/usr/lib', '/usr/lib64', '/usr/local/lib', ...multiarchFolders()]
  const names = ['libtcmalloc.so.4', 'libtcmalloc_minimal.so.4']
  const paths = folders.flatMap((folder) => names.map((name) => `${folder}/${name}`))
  return paths.find((path) => existsSync(path)) ?? null
}

function multiarchFolders(): string[] {
  if (!existsSync('/usr/lib')) return []
  return readdirSync('/usr/lib')
    .filter((name) => name.endsWith('-linux-gnu'))
    .map((name) => `/usr/lib/${name}`)
}
