// A small server of the committed schema whose run and events the test writes, for what a real one cannot be made to
// do on command: close sockets with a chosen code, fall silent, complete early. Transport is the real graphql-ws.
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buildSchema, graphql } from 'graphql'
import { useServer } from 'graphql-ws/use/ws'
import { WebSocketServer } from 'ws'

export interface ScriptedEvent {
  __typename: string
  cursor: string
  [field: string]: unknown
}

export interface EventServer {
  url: string
  port: number
  /** Appends a step event, or with `ended` the last one. */
  emit(event?: 'step' | 'ended'): void
  /** Cursors asked for by the subscriptions so far, in order. */
  readonly asked: (string | null)[]
  /** Sockets open now. */
  sockets(): number
  /** Closes every socket with a code, as a leaving or refusing server does. */
  closeSockets(code: number): void
  /** The next subscription completes after this many events. */
  completeAfter(events: number): void
  /** Answers every subscription with this failure. */
  fail(failure: { code: string; message: string; fix: string }): void
  requests: { headers: IncomingMessage['headers']; body: string }[]
  close(): Promise<void>
}

const schema = buildSchema(readFileSync(new URL('../../schema.graphql', import.meta.url), 'utf8'))

export async function startEventServer({ port = 0, events = [] as ScriptedEvent[] } = {}): Promise<EventServer> {
  const asked: (string | null)[] = []
  const requests: EventServer['requests'] = []
  const waiting = new Set<() => void>()
  let completeAfter: number | undefined
  let failure: ScriptedEvent | undefined

  async function* runEvents(after: string | null): AsyncGenerator {
    asked.push(after)
    const limit = completeAfter ?? Infinity
    completeAfter = undefined
    if (failure !== undefined) {
      yield { runEvents: failure }
      return
    }
    let position = after === null ? 0 : Number(after)
    for (let sent = 0; sent < limit;) {
      const event = events[position]
      if (event === undefined) {
        if (events.at(-1)?.__typename === 'RunEndedEvent') return
        await new Promise<void>((resolve) => waiting.add(resolve))
        waiting.clear()
        continue
      }
      position++
      sent++
      yield { runEvents: event }
      if (event.__typename === 'RunEndedEvent') return
    }
  }

  const run = (): Record<string, unknown> => ({
    id: 'r1',
    state: events.at(-1)?.__typename === 'RunEndedEvent' ? 'SUCCEEDED' : 'RUNNING',
    stateSince: '2026-01-01T00:00:01.000Z',
    priority: 0,
    retry: { maxAttempts: 1, backoffSeconds: 10, unreachableSeconds: 300 },
    tries: 1,
    version: 2,
    allowedActions: events.at(-1)?.__typename === 'RunEndedEvent' ? ['FORK'] : ['PAUSE', 'CANCEL', 'FORK'],
    architecture: 'RESNET18',
    dataset: 'shapes',
    epochs: 1,
    globalBatch: 8,
    shards: 4,
    deviceNames: ['cpu:0'],
    engineChoice: 'AUTO',
    optimizer: { kind: 'SGD', weightDecay: 0, decayVectors: true },
    learningRate: 0.1,
    schedule: { kind: 'CONSTANT', warmUpSteps: 0 },
    precision: 'FP32',
    accumulationSteps: 1,
    syncBatchNorm: false,
    labelSmoothing: 0,
    onCorruptImage: 'FAIL',
    checkpointPolicy: { onDiskFull: 'FAIL' },
    seed: '9007199254740993',
    progress: { epoch: 0, epochs: 1, step: 0, steps: 1 },
    attempt: 1,
    attempts: [{ number: 1, deviceNames: ['cpu:0'], leasedAt: '2026-01-01T00:00:01.000Z' }],
    createdAt: '2026-01-01T00:00:00.000Z',
    directory: '/runs/r1',
    lastCursor: events.at(-1)?.cursor ?? null,
  })
  const rootValue = {
    run: ({ id }: { id: string }) => (id === 'r1' ? run() : null),
    cancelRun: ({ id }: { id: string }) => ({
      __typename: 'NotFoundFailure',
      code: 'NOT_FOUND',
      message: `There is no run ${id}.`,
      fix: 'List the runs.',
    }),
    createRun: ({ input }: { input: { epochs: number } }) =>
      input.epochs > 0
        ? { __typename: 'CreateRunSuccess', run: run() }
        : {
            __typename: 'InvalidInputFailure',
            code: 'INVALID_INPUT',
            message: `Expected at least 1 epoch; got ${input.epochs}.`,
            fix: 'Ask for 1 or more.',
            field: 'epochs',
          },
  }

  const http = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk) => (body += String(chunk)))
    request.on('end', () => {
      requests.push({ headers: request.headers, body })
      const { query, variables } = JSON.parse(body) as { query: string; variables?: Record<string, unknown> }
      void graphql({ schema, source: query, rootValue, variableValues: variables }).then((result) => {
        response.setHeader('content-type', 'application/json')
        response.end(JSON.stringify(result))
      })
    })
  })
  const sockets = new WebSocketServer({ server: http, path: '/graphql' })
  const roots = { subscription: { runEvents: ({ after }: { after?: string | null }) => runEvents(after ?? null) } }
  useServer({ schema, roots }, sockets, 0)
  await new Promise<void>((resolve) => http.listen(port, '127.0.0.1', resolve))
  const bound = (http.address() as AddressInfo).port

  return {
    url: `http://127.0.0.1:${bound}`,
    port: bound,
    asked,
    requests,
    emit(kind = 'step') {
      const cursor = String(events.length + 1)
      const base = { cursor, runId: 'r1', attempt: 1, seq: cursor, at: '2026-01-01T00:00:00.000Z' }
      const step = {
        epoch: 1,
        step: events.length + 1,
        loss: 1,
        nonFinite: false,
        learningRate: 0.1,
        imagesPerSecond: 5,
      }
      events.push(
        kind === 'step'
          ? { __typename: 'StepEvent', ...base, ...step }
          : { __typename: 'RunEndedEvent', ...base, state: 'SUCCEEDED', failure: null },
      )
      for (const wake of waiting) wake()
    },
    sockets: () => sockets.clients.size,
    closeSockets: (code) => sockets.clients.forEach((socket) => socket.close(code)),
    completeAfter: (count) => (completeAfter = count),
    fail: (details) => (failure = { __typename: 'NotFoundFailure', cursor: '', ...details }),
    async close() {
      sockets.clients.forEach((socket) => socket.terminate())
      http.closeAllConnections()
      await new Promise((resolve) => http.close(resolve))
    },
  }
}
