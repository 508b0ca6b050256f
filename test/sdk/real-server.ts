// The real server as a process of its own, to be killed and started again on one data directory.
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { entryCommand } from '../../src/shared/entry.ts'

export interface RealServer {
  url: string
  port: number
  pid: number
  home: string
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>
  /** SIGTERM; resolves when it is gone. */
  stop(): Promise<void>
}

export async function temporaryHome(): Promise<{ home: string; remove: () => Promise<void> }> {
  const home = await mkdtemp(join(tmpdir(), 'trainql-home-'))
  return { home, remove: () => rm(home, { recursive: true, force: true }) }
}

export async function startRealServer(home: string, port = 0): Promise<RealServer> {
  const [command, ...args] = entryCommand(new URL('../../src/server/main.ts', import.meta.url))
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      TRAINQL_HOME: home,
      TRAINQL_PORT: String(port),
      TRAINQL_CPU_DEVICES: '2',
      TRAINQL_STOP_TRAINERS_ON_EXIT: '1',
      TRAINQL_CANCEL_GRACE_SECONDS: '5',
    },
  })
  const url = await readUrl(child)
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill(signal)
    await once(child, 'exit')
  }
  return {
    url,
    port: Number(new URL(url).port),
    pid: child.pid ?? 0,
    home,
    kill: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
  }
}

function readUrl(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = ''
    const read = (chunk: unknown): void => {
      output += String(chunk)
      const match = /listens at (http:\/\/\S+)\/graphql/.exec(output)
      if (match?.[1] !== undefined) resolve(match[1])
    }
    child.stdout?.on('data', read)
    child.stderr?.on('data', read)
    child.once('exit', (code) => reject(new Error(`The server ended with ${code}:\n${output}`)))
  })
}
