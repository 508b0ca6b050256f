// Starts the process of a storm, where it may in a mount namespace of its own for the disk that is to be full, and sees to it
// that nothing of it is left: at its end, at a Ctrl-C, and when it takes too long.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { entryCommand } from '../../src/shared/entry.ts'
import { BenchError } from '../bench.ts'
import { answerSchema, type StormAnswer, type StormSettings } from './answer.ts'
import { listProcessesWith } from './trainers.ts'

const workerEntry = new URL('../workers/chaos.ts', import.meta.url)

export interface Launched {
  answer: StormAnswer
  /** Where evidence lies if something is broken. */
  evidence: string
}

export type LaunchOptions = Omit<StormSettings, 'home' | 'evidence'>

/** A storm that is out of time ends by itself; one that does not is ended. */
const endPatienceMs = 15_000

/** @throws BenchError where the storm does not come to a verdict */
export async function launchStorm(settings: LaunchOptions): Promise<Launched> {
  const home = await mkdtemp(join(tmpdir(), 'trainql-chaos-'))
  const evidence = `${home}-evidence`
  const argument = JSON.stringify({ ...settings, home, evidence } satisfies StormSettings)
  const worker = [...entryCommand(workerEntry), argument]
  const [command = '', ...args] = mayMount() ? ['unshare', '-Urm', ...worker] : worker
  // What it starts makes its temporary folders there, and is known by it.
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, TMPDIR: home } })
  child.stdin.on('error', () => undefined)
  let output = ''
  let keep = false
  let interrupted = false
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const end = (): void => {
    interrupted = true
    child.kill('SIGTERM')
  }
  for (const signal of signals) process.on(signal, end)
  const late = setTimeout(() => child.kill('SIGKILL'), settings.withinMs + endPatienceMs)
  try {
    await once(child, 'close')
    const last = output.trimEnd().split('\n').at(-1) ?? ''
    if (last === '') {
      // Ended before it could keep anything itself.
      keep = child.signalCode === 'SIGKILL' && !interrupted
      throw new BenchError(
        `The storm came to no verdict${keep ? ` in time; what there is to look at lies in ${home}` : ''}.`,
      )
    }
    return { answer: answerSchema.parse(JSON.parse(last)), evidence }
  } finally {
    clearTimeout(late)
    for (const signal of signals) process.off(signal, end)
    for (const pid of ['TMPDIR', 'TRAINQL_HOME'].flatMap((name) => listProcessesWith(name, home))) endProcess(pid)
    if (!keep) await rm(home, { recursive: true, force: true, maxRetries: 3 })
  }
}

const signals = ['SIGINT', 'SIGTERM'] as const

function mayMount(): boolean {
  try {
    execFileSync('unshare', ['-Urm', 'true'], { stdio: 'pipe' })
    return true
  } catch {
    return false
  }
}

function endProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // Gone meanwhile.
  }
}
