// What the rows of one run of `train` share: the cores, the peer's best settings, the machine's peak.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { z } from 'zod'
import { precisions, type Precision } from '../../src/shared/recipe.ts'
import { BenchError, type BenchOptions } from '../bench.ts'
import { allowedCores } from '../machine.ts'
import { findPython, findTcmalloc, pythonCommand } from './pytorch.ts'
import { qualify, type Qualified } from './qualify.ts'
import { shapeKey, type Shape } from './tasks.ts'

export type Cores = readonly [number, number]

export interface Field extends BenchOptions {
  cores: Cores
  /** The peer's Python; asked for when a row with a peer begins at the latest. */
  python: string
  /** Variants of PyTorch on a shape, quickest first. */
  qualified: (shape: Shape) => Promise<Qualified[]>
  /** Floating-point operations a second that the largest product of oneDNN reaches on both cores. */
  peak: () => Promise<Peaks>
}

/** With the version of PyTorch that oneDNN came with. */
export type Peaks = Record<Precision, Peak> & { version: string }

export interface Peak {
  flops: number
  /** Of the square matrices. */
  size: number
}

/** @throws BenchError where this process may use fewer than two cores. */
export function findCores(): Cores {
  const [first, second] = allowedCores()
  if (first !== undefined && second !== undefined) return [first, second]
  throw new BenchError('This bench compares on two cores, and this process may use only one.')
}

/**
 * @param wanted precisions of PyTorch that some row of a shape is compared with.
 * @throws BenchError where there is no PyTorch, before anything is measured.
 */
export function openField(
  options: BenchOptions,
  { cores, wanted }: { cores: Cores; wanted: (shape: Shape) => readonly Precision[] },
): Field {
  const python = findPython()
  if (findTcmalloc() === null) options.note('tcmalloc is not installed (libgoogle-perftools4): PyTorch runs without it')
  const { note } = options
  const qualified = remember(shapeKey, (shape: Shape) => qualify(shape, wanted(shape), { python, cores, note }))
  const peak = remember(
    () => '',
    () => measurePeak({ python, cores, note }),
  )
  return { ...options, cores, python, qualified, peak: () => peak(undefined) }
}

/** Asks once for each key. */
function remember<A, T>(keyOf: (argument: A) => string, ask: (argument: A) => Promise<T>): (argument: A) => Promise<T> {
  const known = new Map<string, Promise<T>>()
  return (argument) => {
    const key = keyOf(argument)
    const answer = known.get(key) ?? ask(argument)
    known.set(key, answer)
    return answer
  }
}

const peakSchema = z.object({ flops: z.number().positive(), size: z.number() })
const peaksSchema = z.object({ version: z.string(), FP32: peakSchema, BF16: peakSchema })
const peakWithinMs = 120_000

async function measurePeak({ python, cores, note }: Pick<Field, 'python' | 'cores' | 'note'>): Promise<Peaks> {
  const { command, args } = pythonCommand('peak.py', cores, { python, tcmalloc: null })
  try {
    const { stdout } = await promisify(execFile)(command, args, { timeout: peakWithinMs })
    const peaks = peaksSchema.parse(JSON.parse(stdout))
    for (const precision of precisions) {
      const { flops, size } = peaks[precision]
      note(`peak, largest oneDNN product in ${precision}: ${(flops / 1e9).toFixed(0)} GFLOP/s at ${size}x${size}`)
    }
    return peaks
  } catch (error) {
    throw new BenchError(`The machine's peak could not be measured: ${String(error)}`)
  }
}
