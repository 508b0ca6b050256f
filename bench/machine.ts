// The machine a figure belongs to.
import { readFileSync, writeFileSync } from 'node:fs'
import { arch, cpus, release, totalmem, type } from 'node:os'
import { BenchError } from './bench.ts'

export interface Machine {
  cpu: string
  cores: number
  memoryBytes: number
  /** Vector extensions that matter to the kernels, widest first. */
  isa: string[]
  os: string
  node: string
}

export function describeMachine(): Machine {
  const processors = cpus()
  return {
    cpu: processors[0]?.model.trim() ?? 'unknown',
    cores: processors.length,
    memoryBytes: totalmem(),
    isa: vectorExtensions(),
    os: `${distribution() ?? type()} (${type()} ${release()})`,
    node: process.versions.node,
  }
}

/** Operating-system core numbers this process may run on, from /proc/self/status ("0-1,4"). */
export function allowedCores(): number[] {
  let status: string
  try {
    status = readFileSync('/proc/self/status', 'utf8')
  } catch {
    throw new BenchError('The benches pin processes to cores and read /proc: they need Linux.')
  }
  const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(status)?.[1] ?? '0'
  return list.split(',').flatMap((range) => {
    const [first = 0, last = first] = range.split('-').map(Number)
    return Array.from({ length: last - first + 1 }, (_, index) => first + index)
  })
}

/** Seconds that the cores were busy since boot, over all processes, from /proc/stat. */
export function busySeconds(cores: readonly number[]): number {
  const lines = readFileSync('/proc/stat', 'utf8').split('\n')
  const ticks = cores.map((core) => {
    // cpuN user nice system idle iowait irq softirq steal …, in hundredths of a second
    const fields = (lines.find((line) => line.startsWith(`cpu${core} `)) ?? '').split(' ').slice(1).map(Number)
    const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = fields
    return user + nice + system + irq + softirq + steal
  })
  return ticks.reduce((sum, value) => sum + value, 0) / 100
}

/** Seconds of processor time that one process has used, all threads, from /proc/<pid>/stat. */
export function processSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

/** Peak resident memory of a live process (VmHWM). */
export function peakMemoryBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024
}

/** Resets this process's peak to what it has now (VmRSS), and says what that is. */
export function forgetPeak(): number {
  writeFileSync('/proc/self/clear_refs', '5')
  const resident = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]
  return Number(resident ?? 0) * 1024
}

function vectorExtensions(): string[] {
  const known = ['amx_bf16', 'avx512_bf16', 'avx512f', 'avx2', 'fma', 'sve', 'asimd']
  try {
    const flags =
      /^(?:flags|Features)\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1]?.trim().split(' ') ?? []
    return known.filter((name) => flags.includes(name))
  } catch {
    return [arch()]
  }
}

function distribution(): string | null {
  try {
    return /^PRETTY_NAME="?([^"\n]*)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? null
  } catch {
    return null
  }
}
