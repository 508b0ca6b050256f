// The client: one typed method for each operation, over HTTP for queries and mutations and one WebSocket for events.
/// <reference lib="esnext.disposable" preserve="true" />
import type { TypedDocumentNode } from '@graphql-typed-document-node/core'
import { print, type DocumentNode } from 'graphql'
import { defaultRetry, delayBeforeReturn, wait, type RetryOptions } from './backoff.ts'
import { type Checkpoint, type CheckpointMethods, checkpointMethods } from './checkpoints.ts'
import { failureOf, notFound, TrainqlNetworkError } from './errors.ts'
import * as operations from './generated/operations.ts'
import type { CreateRunInput, ModelSummaryInput } from './generated/schema.ts'
import { post, type Fetch } from './http.ts'
import { type MetricsMethods, metricsMethods } from './metrics.ts'
import { type PlanningMethods, planningMethods } from './planning.ts'
import { type PredictionMethods, predictionMethods } from './predictions.ts'
import { type RunControlMethods, runControlMethods, runOf } from './run-control.ts'
import { openSocket } from './socket.ts'
import { eventStream, type EventStream } from './stream.ts'
import { followRun, type Reconnect, type RunEvent } from './subscribe.ts'

export type Run = operations.RunFieldsFragment
export type Device = operations.DeviceFieldsFragment
export type Dataset = operations.DatasetFieldsFragment
/** Layers, FLOPs and memory of a model; counts are decimal strings. */
export type ModelSummary = operations.ModelSummaryFieldsFragment
export type ServerInfo = operations.ServerQuery['server']

/** One page of a list: `nodes` in order, `pageInfo.endCursor` to ask for the next with `after`. */
export interface Page<T> {
  nodes: T[]
  /** Of the whole list. */
  totalCount: number
  pageInfo: operations.PageInfoFieldsFragment
}

export interface ClientOptions {
  /** Of the server, such as `http://127.0.0.1:4000`; without a path, `/graphql` is meant. */
  url: string
  /** Of the subscriptions; default `url` with `ws:` or `wss:`. */
  subscriptionUrl?: string
  /** Default the global one. */
  fetch?: Fetch
  /** A WebSocket class; default the global one, else that of the package `ws`. */
  webSocketImpl?: unknown
  /** Sent with each HTTP request, such as an authorization. */
  headers?: Record<string, string> | (() => Record<string, string>)
  /** Sent when a WebSocket connects. */
  connectionParams?: Record<string, unknown> | (() => Record<string, unknown>)
  /** Limit for one HTTP request. Default 30,000. */
  timeoutMs?: number
  /** For event streams and `waitForRun`; a single request is never repeated. */
  retry?: RetryOptions
  /** Called before each new attempt of an event stream. */
  onReconnect?: (reconnect: Reconnect) => void
  /** Silence on the WebSocket before it is pinged. Default 10,000. */
  keepAliveMs?: number
  /** Silence after a ping before the WebSocket counts as lost. Default 5,000. */
  pongTimeoutMs?: number
}

/** Every method takes a signal; once it is aborted the method rejects with its reason. */
export interface CallOptions {
  signal?: AbortSignal
}

export interface WaitOptions extends CallOptions {
  /**
   * Also return once the run is PAUSED by a user: it then goes on only when it is resumed. Default: wait until it is.
   * A server that is drained pauses runs too, and resumes them itself; those are waited for either way.
   */
  untilPaused?: boolean
}

export interface OutOfServiceOptions extends CallOptions {
  /** For those who wait for the device. */
  reason?: string | null
}

export interface RunEventsOptions extends CallOptions {
  /** Cursor of the last event already seen; without one the stream starts at the run's first. */
  after?: string | null
}

/**
 * Every method throws a `TrainqlFailure` where the server declines, a `TrainqlNetworkError` where it is not reached,
 * and a `TrainqlGraphqlError` on a document it does not accept or a defect of its own.
 */
export interface Client
  extends AsyncDisposable, CheckpointMethods, MetricsMethods, PredictionMethods, RunControlMethods, PlanningMethods {
  /** Where requests go. */
  readonly url: string
  server(options?: CallOptions): Promise<ServerInfo>
  /** @throws TrainqlFailure `NOT_FOUND` */
  device(name: string, options?: CallOptions): Promise<Device>
  devices(variables?: operations.DevicesQueryVariables, options?: CallOptions): Promise<Page<Device>>
  /** It takes no more runs; the one that it has goes on. @throws TrainqlFailure */
  drainDevice(name: string, options?: OutOfServiceOptions): Promise<Device>
  /** It takes no more runs; the one that it has writes a checkpoint and is queued again. @throws TrainqlFailure */
  disableDevice(name: string, options?: OutOfServiceOptions): Promise<Device>
  /** It takes runs again, whether it was drained, disabled or in quarantine. @throws TrainqlFailure `NOT_FOUND` */
  enableDevice(name: string, options?: CallOptions): Promise<Device>
  /** @throws TrainqlFailure `NOT_FOUND` */
  dataset(name: string, options?: CallOptions): Promise<Dataset>
  datasets(variables?: operations.DatasetsQueryVariables, options?: CallOptions): Promise<Page<Dataset>>
  /** What a model is made of and what training it takes; nothing is started. @throws TrainqlFailure naming the field that is wrong */
  modelSummary(input?: ModelSummaryInput, options?: CallOptions): Promise<ModelSummary>
  /** @throws TrainqlFailure `NOT_FOUND` */
  run(id: string, options?: CallOptions): Promise<Run>
  /** Newest first. */
  runs(variables?: operations.RunsQueryVariables, options?: CallOptions): Promise<Page<Run>>
  /** @throws TrainqlFailure `NOT_FOUND` */
  checkpoint(id: string, options?: CallOptions): Promise<Checkpoint>
  /** Those of the newest run first, of one run the oldest first; `{ runId, last: 1 }` is a run's newest. */
  checkpoints(variables?: operations.CheckpointsQueryVariables, options?: CallOptions): Promise<Page<Checkpoint>>
  /** Queues a run. @throws TrainqlFailure naming the field that is wrong */
  createRun(input: CreateRunInput, options?: CallOptions): Promise<Run>
  /**
   * Every event of the run once and in order, first the past ones behind `after`, then each as it comes; ends when the
   * run has ended and there is none more. A dropped socket or a restarted server is waited for as `retry` says.
   */
  runEvents(runId: string, options?: RunEventsOptions): EventStream<RunEvent>
  /**
   * The run once it has SUCCEEDED, FAILED or been CANCELED; its state says which. One that is paused is waited for until
   * somebody resumes or cancels it, unless `untilPaused` says otherwise.
   */
  waitForRun(runId: string, options?: WaitOptions): Promise<Run>
  /** Sends any document of yours; types come from a `TypedDocumentNode` or the type arguments. */
  request<Data, Variables extends Record<string, unknown> = Record<string, unknown>>(
    document: TypedDocumentNode<Data, Variables> | string,
    variables?: Variables,
    options?: CallOptions,
  ): Promise<Data>
  /** Ends every request and stream, which reject, and closes the socket. Safe to call twice. */
  close(): Promise<void>
}

/** @throws TypeError where `url` is not an http or https URL */
export function createClient(options: ClientOptions): Client {
  const url = endpoint(options.url)
  const closed = new AbortController()
  const retry = { ...defaultRetry, ...options.retry }
  const http = {
    url,
    fetch: options.fetch ?? ((input: string, init: RequestInit) => globalThis.fetch(input, init)),
    headers: () => evaluate(options.headers) ?? {},
    timeoutMs: options.timeoutMs ?? 30_000,
  }
  const socket = openSocket({
    url: options.subscriptionUrl ?? url.replace(/^http/, 'ws'),
    webSocketImpl: options.webSocketImpl,
    connectionParams: () => evaluate(options.connectionParams),
    keepAliveMs: options.keepAliveMs ?? 10_000,
    pongTimeoutMs: options.pongTimeoutMs ?? 5_000,
  })

  const signalOf = ({ signal }: CallOptions): AbortSignal =>
    signal ? AbortSignal.any([signal, closed.signal]) : closed.signal

  async function send<Data, Variables>(
    document: TypedDocumentNode<Data, Variables> | string,
    variables: Variables | undefined,
    { signal, timeoutMs = http.timeoutMs }: CallOptions & { timeoutMs?: number } = {},
  ): Promise<Data> {
    const query = typeof document === 'string' ? document : text(document)
    const request = { query, variables: variables as Record<string, unknown> | undefined }
    return (await post({ ...http, timeoutMs }, request, signalOf({ signal }))) as Data
  }

  function follow(runId: string, after: string | null, signal: AbortSignal): AsyncGenerator<RunEvent, undefined> {
    const look = async (lookSignal: AbortSignal): Promise<{ terminal: boolean; lastCursor: string | null }> => {
      const run = await client.run(runId, { signal: lookSignal })
      return { terminal: isTerminal(run), lastCursor: run.lastCursor }
    }
    const onReconnect = options.onReconnect ?? (() => undefined)
    return followRun({ url, socket, look, retry, onReconnect }, { runId, after }, signal)
  }

  /** As `client.run`, but waits for a server that is away. */
  async function runEventually(id: string, signal: AbortSignal): Promise<Run> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await client.run(id, { signal })
      } catch (error) {
        if (!(error instanceof TrainqlNetworkError) || attempt > retry.attempts) throw error
        await wait(delayBeforeReturn(attempt, retry, error), signal)
      }
    }
  }

  const client: Client = {
    url,
    server: async (call) => (await send(operations.ServerDocument, {}, call)).server,
    device: async (name, call) =>
      present((await send(operations.DeviceDocument, { name }, call)).device, 'device', name),
    devices: async (variables, call) => (await send(operations.DevicesDocument, variables, call)).devices,
    async drainDevice(name, { reason = null, ...call } = {}) {
      const { drainDevice } = await send(operations.DrainDeviceDocument, { name, reason }, call)
      if ('device' in drainDevice) return drainDevice.device
      throw failureOf(drainDevice)
    },
    async disableDevice(name, { reason = null, ...call } = {}) {
      const { disableDevice } = await send(operations.DisableDeviceDocument, { name, reason }, call)
      if ('device' in disableDevice) return disableDevice.device
      throw failureOf(disableDevice)
    },
    async enableDevice(name, call) {
      const { enableDevice } = await send(operations.EnableDeviceDocument, { name }, call)
      if ('device' in enableDevice) return enableDevice.device
      throw failureOf(enableDevice)
    },
    dataset: async (name, call) =>
      present((await send(operations.DatasetDocument, { name }, call)).dataset, 'dataset', name),
    datasets: async (variables, call) => (await send(operations.DatasetsDocument, variables, call)).datasets,
    async modelSummary(input = {}, call) {
      const { modelSummary } = await send(operations.ModelSummaryDocument, { input }, call)
      if (modelSummary.__typename !== 'ModelSummary') throw failureOf(modelSummary)
      const { __typename, ...summary } = modelSummary
      return summary
    },
    run: async (id, call) => present((await send(operations.RunDocument, { id }, call)).run, 'run', id),
    runs: async (variables, call) => (await send(operations.RunsDocument, variables, call)).runs,
    checkpoint: async (id, call) =>
      present((await send(operations.CheckpointDocument, { id }, call)).checkpoint, 'checkpoint', id),
    checkpoints: async (variables, call) => (await send(operations.CheckpointsDocument, variables, call)).checkpoints,
    async createRun(input, call) {
      const { createRun } = await send(operations.CreateRunDocument, { input }, call)
      return runOf(createRun)
    },
    ...runControlMethods({ send }),
    ...planningMethods({ send }),
    ...metricsMethods({ send, transfer: http, signalOf }),
    ...predictionMethods({ send, transfer: http, signalOf }),
    ...checkpointMethods({ send, transfer: http, signalOf, attempts: retry.attempts }),
    runEvents: (runId, { after = null, signal } = {}) =>
      eventStream((own) => follow(runId, after, own), [signal, closed.signal]),
    async waitForRun(runId, { untilPaused = false, ...call } = {}) {
      const signal = signalOf(call)
      const isAwaited = (run: Run): boolean =>
        isTerminal(run) || (untilPaused && run.state === 'PAUSED' && run.pauseReason === 'USER')
      const run = await runEventually(runId, signal)
      if (isAwaited(run)) return run
      for await (const { __typename } of follow(runId, run.lastCursor, signal)) {
        if (!untilPaused || __typename !== 'PausedEvent') continue
        // It may have been resumed since.
        const now = await runEventually(runId, signal)
        if (isAwaited(now)) return now
      }
      return runEventually(runId, signal)
    },
    request: (document, variables, call) => send(document, variables, call),
    close() {
      closed.abort(
        new TrainqlNetworkError({ url, message: 'The client was closed.', fix: 'Create another with createClient.' }),
      )
      return Promise.resolve()
    },
    [Symbol.asyncDispose]: () => client.close(),
  }
  return client
}

const texts = new WeakMap<DocumentNode, string>()
/** Printing is repeated for no document. */
function text(document: DocumentNode): string {
  let printed = texts.get(document)
  if (printed === undefined) texts.set(document, (printed = print(document)))
  return printed
}

function endpoint(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (parsed?.protocol !== 'http:' && parsed?.protocol !== 'https:') {
    throw new TypeError(`Expected an http or https URL such as http://127.0.0.1:4000; got "${url}".`)
  }
  if (parsed.pathname === '/') parsed.pathname = '/graphql'
  return parsed.href
}

function evaluate<T>(value: T | (() => T) | undefined): T | undefined {
  return typeof value === 'function' ? (value as () => T)() : value
}

function present<T>(value: T | null, what: string, key: string): T {
  if (value !== null) return value
  throw notFound(what, key, `List what there is with client.${what}s().`)
}

function isTerminal({ state }: Run): boolean {
  return state === 'SUCCEEDED' || state === 'FAILED' || state === 'CANCELED'
}
