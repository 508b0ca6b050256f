// The server of a storm: the built one, as a process of its own that may be killed at any instant and started again on the
// same data directory and port.
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort } from '../../src/cli/server-process.ts'
import { BenchError } from '../bench.ts'
import { diagnosable, diagnose } from './diagnosis.ts'

export interface StormServer {
  readonly port: number
  readonly url: string
  readonly logFile: string
  /** Starts the process; `listening` of what it gives resolves with false where it ended before it listened. */
  start(): { listening: Promise<boolean> }
  /** SIGKILL, where it runs; resolves when it is gone. */
  kill(): Promise<void>
  /** SIGTERM, where it runs; resolves with its exit code when it is gone, after SIGKILL where it takes too long. */
  stop(): Promise<number | null>
  /** The process that runs; null: none does. */
  pid(): number | null
  /** Keeps what there is to know of the process; in words where. */
  diagnose(): Promise<string>
  /** The last lines of its log. */
  lastWords(): string
}

export interface StormServerOptions {
  home: string
  /** For what it is diagnosed by. */
  folder: string
  environment: Record<string, string>
}

const entry = new URL('../../dist/server/main.js', import.meta.url)
const stopWithinMs = 20_000
const lastLines = 3

/** @throws BenchError where the server has not been built. */
export async function createStormServer({ home, folder, environment }: StormServerOptions): Promise<StormServer> {
  if (!existsSync(entry)) throw new BenchError('The storm needs the built server: run `npm run build`.')
  const port = await findPort()
  const logFile = join(home, 'server.log')
  let child: ChildProcess | null = null

  async function end(signal: NodeJS.Signals): Promise<number | null> {
    const ending = child
    if (ending === null || hasEnded(ending)) return null
    const ended = once(ending, 'exit') as Promise<[number | null]>
    ending.kill(signal)
    const late = setTimeout(() => ending.kill('SIGKILL'), stopWithinMs)
    const [code] = await ended
    clearTimeout(late)
    return code
  }

  const pid = (): number | null => (child === null || hasEnded(child) ? null : (child.pid ?? null))

  return {
    port,
    url: `http://127.0.0.1:${port}`,
    logFile,
    start() {
      const log = openSync(logFile, 'a')
      // The channel ends the server with us, whatever becomes of us.
      const started = spawn(process.execPath, [...diagnosable(folder), fileURLToPath(entry)], {
        detached: true,
        stdio: ['ignore', 'pipe', log, 'ipc'],
        env: { ...process.env, ...environment, TRAINQL_HOME: home, TRAINQL_HOST: '127.0.0.1', TRAINQL_PORT: `${port}` },
      })
      closeSync(log)
      child = started
      const listening = new Promise<boolean>((resolve, reject) => {
        started.stdout?.on('data', (chunk: Buffer) => {
          if (chunk.toString().includes('listens at')) resolve(true)
        })
        started.once('exit', () => resolve(false))
        started.once('error', reject)
      })
      return { listening }
    },
    async kill() {
      await end('SIGKILL')
    },
    stop: () => end('SIGTERM'),
    pid,
    async diagnose() {
      const running = pid()
      return running === null ? 'it has ended' : diagnose({ pid: running, folder, logFile })
    },
    lastWords: () => readFileSync(logFile, 'utf8').trimEnd().split('\n').slice(-lastLines).join(' | '),
  }
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null
}

/** Below those that systems give to connections: while the server is down, one of them must not take its port. */
const [lowestPort, highestPort] = [15_000, 30_000]

async function findPort(): Promise<number> {
  const wanted = lowestPort + Math.floor(Math.random() * (highestPort - lowestPort))
  return freePort(wanted, '127.0.0.1')
}
