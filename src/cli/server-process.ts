// A server of our own as a child process: started, waited for, watched, and stopped together with us.
import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createClient } from '../sdk/index.ts'
import { entryCommand } from '../shared/entry.ts'
import { CliFailure } from './failure.ts'
import { aborted } from './interruption.ts'
import { serverEntry } from './places.ts'

export interface ServerSettings {
  home: string
  host: string
  port: number
  /** Set for the server on top of our own environment. */
  environment: Record<string, string>
}

export interface ServerProcess {
  /** `http://host:port`, without a path. */
  readonly url: string
  /** Where it logs. */
  readonly logFile: string
  /** Aborted when it is gone, with a `CliFailure` as its reason unless it was stopped. */
  readonly gone: AbortSignal
  /** SIGTERM, then SIGKILL after 15 s or as soon as `forced` is aborted. Safe to call twice. */
  stop(forced: AbortSignal): Promise<void>
}

const startTimeoutMs = 60_000
const stopTimeoutMs = 15_000

/**
 * Resolves when the server answers. It stands in a process group of its own, so that a Ctrl-C in the terminal reaches
 * us alone and we can cancel runs first; its channel to us tells it when we are gone, however that happened.
 * @throws CliFailure with the end of its log where it does not come up
 */
export async function startServerProcess(settings: ServerSettings, signal: AbortSignal): Promise<ServerProcess> {
  const { home, host, port, environment } = settings
  mkdirSync(home, { recursive: true })
  const logFile = join(home, 'server.log')
  const log = openSync(logFile, 'w')
  const [command, ...args] = entryCommand(serverEntry)
  const child = spawn(command, args, {
    detached: true,
    stdio: ['ignore', log, log, 'ipc'],
    env: {
      ...process.env,
      ...environment,
      TRAINQL_HOME: home,
      TRAINQL_HOST: host,
      TRAINQL_PORT: String(port),
      PORT: String(port),
    },
  })
  closeSync(log)
  const gone = new AbortController()
  let stopping = false
  const exited = new Promise<void>((resolve) => {
    const end = (how: string): void => {
      gone.abort(stopping ? new Error('The server was stopped.') : explain(how, logFile))
      resolve()
    }
    child.once('error', (error) => end(error.message))
    child.once('exit', (code, reason) => end(reason ?? `exit code ${code}`))
  })
  const server: ServerProcess = {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${port}`,
    logFile,
    gone: gone.signal,
    async stop(forced) {
      stopping = true
      await end(child, exited, forced)
    },
  }
  try {
    await ready(server.url, AbortSignal.any([signal, gone.signal]), logFile)
  } catch (error) {
    await server.stop(signal.aborted ? signal : new AbortController().signal)
    throw error
  }
  return server
}

async function ready(url: string, signal: AbortSignal, logFile: string): Promise<void> {
  await using client = createClient({ url, timeoutMs: 5_000 })
  const deadline = performance.now() + startTimeoutMs
  for (;;) {
    try {
      await client.server({ signal })
      return
    } catch (error) {
      signal.throwIfAborted()
      if (performance.now() > deadline) {
        throw new CliFailure(`The server did not answer within ${startTimeoutMs / 1000} s.`, `Look into ${logFile}.`, {
          cause: error,
        })
      }
    }
    await sleep(100, undefined, { signal }).catch(() => signal.throwIfAborted())
  }
}

async function end(child: ChildProcess, exited: Promise<void>, forced: AbortSignal): Promise<void> {
  if (child.pid === undefined) return
  child.kill('SIGTERM')
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<'late'>((resolve) => (timer = setTimeout(resolve, stopTimeoutMs, 'late')))
  const outcome = await Promise.race([exited, late, aborted(forced).then(() => 'late' as const)])
  clearTimeout(timer)
  if (outcome === 'late') {
    child.kill('SIGKILL')
    await exited
  }
}

function explain(how: string, logFile: string): CliFailure {
  const lines = readFileSync(logFile, 'utf8').trimEnd().split('\n').slice(-15)
  return new CliFailure(
    `The server ended (${how}). The end of its log:\n${lines.map((line) => `  ${line}`).join('\n')}`,
    `Look into ${logFile}.`,
  )
}

/** `wanted` where it is free, else one that is. Without a wish any free one. */
export async function freePort(wanted: number, host: string): Promise<number> {
  return (await tryListen(wanted, host)) ?? (await tryListen(0, host)) ?? wanted
}

function tryListen(port: number, host: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE' || error.code === 'EACCES') resolve(undefined)
      else
        reject(
          new CliFailure(`Cannot listen on ${host}: ${error.message}.`, 'Name an address of this machine.', {
            cause: error,
          }),
        )
    })
    probe.listen({ port, host, exclusive: true }, () => {
      const { port: bound } = probe.address() as AddressInfo
      probe.close(() => resolve(bound))
    })
  })
}
