// Finds the devices of this machine: partitions of the cores this process may use, and NVIDIA GPUs where `nvidia-smi`
// answers.
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { cpus, totalmem } from 'node:os'
import { promisify } from 'node:util'
import type { Log } from '../log.ts'
import type { FoundDevice } from './device.record.ts'

export interface DiscoveryOptions {
  /** Number of CPU partitions; null: one a core. May exceed the cores: partitions then share them. */
  cpuDevices: number | null
  log: Log
}

export async function discoverDevices({ cpuDevices, log }: DiscoveryOptions): Promise<FoundDevice[]> {
  const cores = await readAllowedCores()
  return [...cpuPartitions(cores, cpuDevices ?? cores.length), ...(await findGpus(log))]
}

/** Cuts the cores into neighbouring groups as even as can be; more partitions than cores take cores in turn. */
export function cpuPartitions(cores: readonly number[], count: number): FoundDevice[] {
  const model = cpus()[0]?.model.trim() ?? 'unknown processor'
  // A container's limit counts, where there is one.
  const limit = process.constrainedMemory()
  const memory = limit > 0 && limit < totalmem() ? limit : totalmem()
  return Array.from({ length: count }, (_, ordinal) => ({
    name: `cpu:${ordinal}`,
    kind: 'CPU',
    ordinal,
    model,
    cores: coresOf(cores, ordinal, count),
    uuid: null,
    memoryBytes: BigInt(Math.floor(memory / count)),
  }))
}

function coresOf(cores: readonly number[], ordinal: number, count: number): number[] {
  if (count > cores.length) return [cores[ordinal % cores.length] ?? 0]
  const start = Math.floor((ordinal * cores.length) / count)
  const end = Math.floor(((ordinal + 1) * cores.length) / count)
  return cores.slice(start, end)
}

/** The cores that affinity leaves to this process; all of the machine's where the system does not say. */
async function readAllowedCores(): Promise<number[]> {
  const all = cpus().map((_, core) => core)
  if (process.platform !== 'linux') return all
  const status = await readFile('/proc/self/status', 'utf8').catch(() => '')
  const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(status)?.[1]
  const allowed = list === undefined ? [] : parseCoreList(list)
  return allowed.length > 0 ? allowed : all
}

/** `0-2,5` as 0, 1, 2, 5. */
export function parseCoreList(list: string): number[] {
  return list.split(',').flatMap((range) => {
    const [first = NaN, last = first] = range.split('-').map(Number)
    return Number.isInteger(first) && Number.isInteger(last)
      ? Array.from({ length: last - first + 1 }, (_, index) => first + index)
      : []
  })
}

const gpuTimeoutMs = 10_000
const gpuFields = 'index,uuid,name,memory.total'
const bytesPerMebibyte = 1024n * 1024n

/** GPUs in the order of their index. No `nvidia-smi`: none; one that fails is logged. */
async function findGpus(log: Log): Promise<FoundDevice[]> {
  let stdout: string
  try {
    const args = [`--query-gpu=${gpuFields}`, '--format=csv,noheader,nounits']
    stdout = (await promisify(execFile)('nvidia-smi', args, { timeout: gpuTimeoutMs })).stdout
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') log.error('nvidia-smi failed; no GPU is offered.', error)
    return []
  }
  return stdout.split('\n').flatMap((line) => {
    if (line.trim() === '') return []
    const gpu = parseGpu(line)
    if (gpu === null)
      log.warn(`nvidia-smi said ${JSON.stringify(line)}, expected ${gpuFields}; this GPU is not offered.`)
    return gpu === null ? [] : [gpu]
  })
}

function parseGpu(line: string): FoundDevice | null {
  const match = /^\s*(\d+)\s*,\s*(GPU-[^,\s]+)\s*,\s*(.+?)\s*,\s*(\d+)\s*$/.exec(line)
  if (match === null) return null
  const [, index = '', uuid = '', model = '', mebibytes = ''] = match
  const ordinal = Number(index)
  return {
    name: `cuda:${ordinal}`,
    kind: 'CUDA',
    ordinal,
    model,
    cores: [],
    uuid,
    memoryBytes: BigInt(mebibytes) * bytesPerMebibyte,
  }
}
