// A real server for tests, in this process or in one of its own, and clients that speak to it without the SDK.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type Client, createClient } from 'graphql-ws'
import { WebSocket } from 'ws'
import { type Log, silentLog } from '../../src/server/log.ts'
import { type RunningServer, type ServerOptions, startServer } from '../../src/server/start.ts'
import { entryCommand } from '../../src/shared/entry.ts'

export const scriptedTrainer = new URL('./fixtures/scripted-trainer.ts', import.meta.url)

/** A folder of its own; remove it with `removeFolder` once the server is closed. */
export function makeFolder(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'trainql-server-'))
}

export function removeFolder(folder: string): Promise<void> {
  return rm(folder, { recursive: true, force: true, maxRetries: 3 })
}

/** A server in this process that keeps its data in `home`. */
export function startTestServer(home: string, options: Partial<ServerOptions> = {}): Promise<RunningServer> {
  return startServer({
    home,
    cacheFolder: join(home, 'cache'),
    dataRoots: [],
    checkpointRoots: [],
    pretrainedRoots: [],
    pretrainedUrl: null,
    uploadLimitBytes: 2 ** 30,
    host: '127.0.0.1',
    port: 0,
    cpuDevices: 2,
    databaseUrl: null,
    databaseOpenSeconds: 120,
    cancelGraceMs: 10_000,
    silentSeconds: 15,
    startSeconds: 600,
    stalledSeconds: 60,
    debugLog: false,
    trainersOnExit: 'CANCEL',
    log: silentLog,
    ...options,
  })
}

/** A log whose lines a test can look at. */
export function recordingLog(): Log & { lines: string[] } {
  const lines: string[] = []
  return {
    lines,
    debug: (message) => lines.push(message),
    info: (message) => lines.push(message),
    warn: (message) => lines.push(message),
    error: (message, error) => lines.push(`${message} ${String(error)}`),
  }
}

export interface ServerProcess {
  url: string
  child: ChildProcess
  /** Ends it and waits until it is gone; returns its exit code, or the signal that ended it. */
  kill(signal: NodeJS.Signals): Promise<number | NodeJS.Signals>
}

export interface ServerProcessOptions {
  /** With the scripted trainer. */
  scripted?: boolean
  /** Further settings. */
  environment?: Record<string, string>
}

/** The server as a process of its own, as users start it. */
export async function startServerProcess(home: string, options: ServerProcessOptions = {}): Promise<ServerProcess> {
  const entry = options.scripted === true ? './fixtures/server-main.ts' : '../../src/server/main.ts'
  const [command, ...args] = entryCommand(new URL(entry, import.meta.url))
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, TRAINQL_HOME: home, TRAINQL_PORT: '0', TRAINQL_CPU_DEVICES: '2', ...options.environment },
  })
  const exited = once(child, 'exit').then(([code, reason]) => (code ?? reason) as number | NodeJS.Signals)
  const lines = createInterface({ input: child.stdout })
  const url = await Promise.race([
    once(lines, 'line').then(([line]) => /http:\/\/\S+?(?=\/graphql)/.exec(String(line))?.[0]),
    exited.then(() => undefined),
  ])
  if (url === undefined) throw new Error('the server process did not come up')
  return {
    url,
    child,
    async kill(signal) {
      child.kill(signal)
      return exited
    },
  }
}

export interface Answer {
  data?: Record<string, unknown>
  errors?: { message: string; path?: string[]; extensions?: Record<string, unknown> }[]
}

/** One operation over HTTP. */
export async function post(url: string, query: string, variables: Record<string, unknown> = {}): Promise<Answer> {
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query, variables }),
  })
  return (await response.json()) as Answer
}

/** The data of an operation that must go well; fields are the test's to know. */
export async function query<T>(url: string, text: string, variables: Record<string, unknown> = {}): Promise<T> {
  const { data, errors } = await post(url, text, variables)
  if (errors !== undefined) throw new Error(JSON.stringify(errors))
  return data as T
}

export interface CreatedRun {
  id: string
  state: string
  directory: string
  waitingFor: string | null
  deviceNames: string[]
}

export interface Failure {
  __typename: string
  code: string
  message: string
  fix: string
  field?: string | null
}

const createRunText = `mutation ($input: CreateRunInput!) { createRun(input: $input) {
  __typename
  ... on CreateRunSuccess { run { id state directory waitingFor deviceNames } }
  ... on Failure { code message fix }
  ... on InvalidInputFailure { field }
} }`

/** Asks for a run; small where the input says nothing else. */
export async function tryCreateRun(
  url: string,
  input: Record<string, unknown>,
): Promise<Failure | { __typename: 'CreateRunSuccess'; run: CreatedRun }> {
  const { createRun } = await query<{ createRun: Failure }>(url, createRunText, {
    input: { dataset: 'shapes', trainImages: 64, validationImages: 32, globalBatch: 16, ...input },
  })
  return createRun
}

export async function createRun(url: string, input: Record<string, unknown> = {}): Promise<CreatedRun> {
  const result = await tryCreateRun(url, input)
  if (!('run' in result)) throw new Error(JSON.stringify(result))
  return result.run
}

/** Tells the scripted trainer of a run what to do next. */
export function instruct(run: { directory: string }, ...commands: string[]): void {
  appendFileSync(join(run.directory, 'script.txt'), commands.map((command) => `${command}\n`).join(''))
}

export interface SubscribedEvent {
  __typename: string
  cursor: string
  runId: string
  attempt: number
  seq: string
  at: string
  state?: string
  step?: number
  devices?: string[]
  failure?: { code: string; message: string; fix: string; step: number | null; nonFinite: boolean } | null
  code?: string
  message?: string
  field?: string | null
}

const runEventsText = `subscription ($runId: ID!, $after: String) { runEvents(runId: $runId, after: $after) {
  __typename
  ... on RunEvent { cursor runId attempt seq at }
  ... on StepEvent { step }
  ... on LeasedEvent { devices }
  ... on LogTornEvent { toAttempt bytes }
  ... on RunEndedEvent { state failure { code message fix step nonFinite } }
  ... on Failure { code message fix }
  ... on InvalidInputFailure { field }
} }`

/** A raw graphql-ws client that does not come back by itself. */
export function connect(url: string): Client {
  return createClient({ url: `${url.replace('http', 'ws')}/graphql`, webSocketImpl: WebSocket, retryAttempts: 0 })
}

/** The events of a run as a raw graphql-ws client sees them; ends as the subscription does. */
export async function* subscribe(
  client: Client,
  runId: string,
  after: string | null = null,
): AsyncGenerator<SubscribedEvent, void> {
  const results = client.iterate<{ runEvents: SubscribedEvent }>({ query: runEventsText, variables: { runId, after } })
  for await (const { data, errors } of results) {
    if (errors !== undefined) throw new Error(JSON.stringify(errors))
    if (data?.runEvents !== undefined) yield data.runEvents
  }
}

/** Every event to the end of the run. */
export async function collectEvents(
  url: string,
  runId: string,
  after: string | null = null,
): Promise<SubscribedEvent[]> {
  const client = connect(url)
  const events: SubscribedEvent[] = []
  for await (const event of subscribe(client, runId, after)) events.push(event)
  await client.dispose()
  return events
}

/** Waits for the first event of a type, or, given a number, the so-manieth. */
export async function waitForEvent(url: string, runId: string, type: string, count = 1): Promise<SubscribedEvent> {
  const client = connect(url)
  try {
    let seen = 0
    for await (const event of subscribe(client, runId)) {
      if (event.__typename === type && ++seen === count) return event
    }
  } finally {
    await client.dispose()
  }
  throw new Error(`the run ended without ${count} ${type}`)
}
