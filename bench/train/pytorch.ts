// The peer: finds PyTorch, starts it on a task, and opens the task in one of its variants.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import type { Precision } from '../../src/shared/run-spec.ts'
import { BenchError } from '../bench.ts'
import { startWorker, type Worker } from '../worker.ts'
import { recipe, type Shape } from './tasks.ts'

const readySchema = z
  .object({
    ready: z.object({
      version: z.string(),
      torchvision: z.string(),
      threads: z.number(),
      /** Peak memory of the process when it had imported torch and done nothing else. */
      importedBytes: z.number(),
    }),
  })
  .transform(({ ready }) => ready)
export type PyTorchReady = z.output<typeof readySchema>

const openedSchema = z
  .object({ opened: z.object({ optimizer: z.string(), parameters: z.number(), secondsPerStep: z.number() }) })
  .transform(({ opened }) => opened)
export type Opened = z.output<typeof openedSchema>

export interface Variant {
  precision: Precision
  layout: 'contiguous' | 'channels_last'
  compile: boolean
  /** Path of the allocator to preload; null for the C library's. */
  tcmalloc: string | null
  /** Which of PyTorch's implementations of SGD; absent: it finds its quickest. */
  optimizer?: string
}

const warmUpSteps = 3
const readyWithinMs = 120_000
const openWithinMs = 60_000
/** A first compilation of ResNet-50 takes about two minutes on two cores. */
const compileWithinMs = 180_000

export function peerFile(name: string): string {
  return fileURLToPath(new URL(`../peer/${name}`, import.meta.url))
}

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

export interface PeerPlace {
  python: string
  cores: readonly number[]
  /** See Variant. */
  tcmalloc: string | null
}

/** A process with torch imported, and nothing opened yet. */
export async function startPyTorch(
  shape: Shape,
  { python, cores, tcmalloc }: PeerPlace,
): Promise<Worker<PyTorchReady>> {
  return startWorker(
    {
      name: 'PyTorch',
      ...pythonCommand('train.py', { ...peerTask(shape), cores, warmUpSteps }, { python, tcmalloc }),
      readyWithinMs,
    },
    readySchema,
  )
}

/** Command that runs one of the peer's scripts; it leaves no compiled files behind. */
export function pythonCommand(
  name: string,
  input: unknown,
  { python, tcmalloc }: Pick<PeerPlace, 'python' | 'tcmalloc'>,
): { command: string; args: string[]; env: Record<string, string> } {
  const env: Record<string, string> = tcmalloc === null ? {} : { LD_PRELOAD: tcmalloc }
  return { command: python, args: ['-B', '-u', peerFile(name), JSON.stringify(input)], env }
}

export function peerTask({ architecture, channels, size, classes, globalBatch }: Shape) {
  return { architecture: architecture.toLowerCase(), channels, size, classes, globalBatch, ...recipe }
}

/** Builds the model, in place of the one before, and warms it up. */
export async function openVariant(worker: Worker<PyTorchReady>, variant: Variant): Promise<Opened> {
  const withinMs = variant.compile ? compileWithinMs : openWithinMs
  const { precision, layout, compile, optimizer } = variant
  return worker.ask({ open: { precision, layout, compile, optimizer } }, openedSchema, { withinMs })
}

export function describe({ precision, layout, compile, tcmalloc }: Variant): string {
  return [
    precision === 'BF16' ? 'bf16 autocast' : 'fp32',
    layout,
    compile ? 'torch.compile' : 'eager',
    tcmalloc === null ? 'malloc' : 'tcmalloc',
  ].join(', ')
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
