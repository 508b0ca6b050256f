// The transport: GraphQL over HTTP and WebSocket on one port, the playground's files, and a health check.
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { existsSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { ApolloServer } from '@apollo/server'
import { ApolloServerPluginLandingPageDisabled } from '@apollo/server/plugin/disabled'
import { ApolloServerPluginDrainHttpServer } from '@apollo/server/plugin/drainHttpServer'
import { expressMiddleware } from '@as-integrations/express5'
import express, { type ErrorRequestHandler, type Express } from 'express'
import type { GraphQLSchema } from 'graphql'
import { WebSocketServer } from 'ws'
import { TrainqlError } from '../shared/errors.ts'
import { type Context, type ContextSources, createContext } from './context.ts'
import { createFormatError } from './format-error.ts'
import type { Log } from './log.ts'
import { createDoor, lateUpgrade, sayGoodbye } from './goodbye.ts'
import { isAllowedOrigin } from './origin-check.ts'
import { serveGraphqlSockets } from './subscriptions/graphql-sockets.ts'
import { createTransferRoutes, type Transfers } from './transfers/transfer-routes.ts'

export interface AppOptions {
  schema: GraphQLSchema
  sources: ContextSources
  transfers: Transfers
  host: string
  /** 0: any free one. */
  port: number
  log: Log
}

export interface App {
  /** Port it listens on. */
  port: number
  /** Says that this server is about to stop to those who ask whether it is well; serves on. */
  beginStop: () => void
  /** Tells clients to come back in a moment, those of sockets now and others when they ask; returns when none is served. */
  sayGoodbye: () => Promise<void>
  /** Closes the port. */
  close(): Promise<void>
}

const graphqlPath = '/graphql'
const largestBodyBytes = 1024 * 1024
/** A checkpoint may be uploaded over a slow line. */
const slowestRequestMs = 3_600_000

/** @throws TrainqlError `CONFIG_INVALID` where the address cannot be listened on */
export async function startApp({ schema, sources, transfers, host, port, log }: AppOptions): Promise<App> {
  const formatError = createFormatError(log)
  const app = express()
  const httpServer = createServer({ requestTimeout: slowestRequestMs }, app)
  const apollo = new ApolloServer<Context>({
    schema,
    introspection: true,
    formatError,
    stopOnTerminationSignals: false,
    includeStacktraceInErrorResponses: false,
    plugins: [ApolloServerPluginLandingPageDisabled(), ApolloServerPluginDrainHttpServer({ httpServer })],
  })
  await apollo.start()

  // Compression would take a window of memory for each socket, for messages of a few hundred bytes.
  const sockets = new WebSocketServer({ noServer: true, maxPayload: largestBodyBytes, perMessageDeflate: false })
  const disposable = serveGraphqlSockets(sockets, { schema, sources, formatError })
  const door = createDoor()
  let stopping = false
  httpServer.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const refusal = door.isShut() ? lateUpgrade : refuseUpgrade(request, host)
    if (refusal === null)
      sockets.handleUpgrade(request, socket, head, (opened) => sockets.emit('connection', opened, request))
    else socket.end(`HTTP/1.1 ${refusal}\r\nConnection: close\r\n\r\n`)
  })

  app.use(door.enter)
  addRoutes(app, { apollo, sources, transfers, host, log, isStopping: () => stopping })
  await listen(httpServer, host, port)
  return {
    port: (httpServer.address() as AddressInfo).port,
    beginStop() {
      stopping = true
    },
    async sayGoodbye() {
      await Promise.all([door.shut(), sayGoodbye(sockets.clients)])
      await disposable.dispose()
    },
    close: () => apollo.stop(),
  }
}

interface RouteOptions {
  apollo: ApolloServer<Context>
  sources: ContextSources
  transfers: Transfers
  host: string
  log: Log
  isStopping: () => boolean
}

function addRoutes(app: Express, { apollo, sources, transfers, host, log, isStopping }: RouteOptions): void {
  app.disable('x-powered-by')
  app.use((request, response, next) => {
    if (isAllowedOrigin(request, host)) next()
    else response.status(403).type('text').send('This server answers only to its own address.\n')
  })
  app.get('/', (_request, response) => response.redirect('/playground'))
  app.get('/healthz', (_request, response) => {
    if (isStopping()) response.status(503).json({ status: 'stopping' })
    else response.json({ status: 'ok' })
  })
  app.use('/playground', ...playground())
  app.use(createTransferRoutes(transfers))
  app.use(
    graphqlPath,
    express.json({ limit: largestBodyBytes }),
    expressMiddleware(apollo, { context: () => Promise.resolve(createContext(sources, { cache: true })) }),
  )
  app.use((_request, response) => {
    response.status(404).type('text').send('Nothing is here. The API is at /graphql, the playground at /playground.\n')
  })
  app.use(createErrorHandler(log))
}

/** The built playground's folder, from source and from built code alike. */
const playgroundFolder = fileURLToPath(new URL('../../dist/web/playground/', import.meta.url))

function playground(): express.RequestHandler[] {
  const files = express.static(playgroundFolder, { fallthrough: true })
  return [
    (request, response, next) => {
      if (existsSync(`${playgroundFolder}index.html`)) files(request, response, next)
      else response.status(404).type('text').send('The playground is not built. Build it with: npm run build\n')
    },
  ]
}

/** Errors before GraphQL sees a request: a body too large, or no JSON. */
function createErrorHandler(log: Log): ErrorRequestHandler {
  return (error: Error & { status?: number }, _request, response, next) => {
    if (response.headersSent) {
      next(error)
      return
    }
    const status = error.status ?? 500
    if (status >= 500) log.error('A request failed before it reached GraphQL.', error)
    const message = status >= 500 ? 'Unexpected error.' : error.message
    const code = status >= 500 ? 'INTERNAL_SERVER_ERROR' : 'BAD_REQUEST'
    response.status(status).json({ errors: [{ message, extensions: { code } }] })
  }
}

function refuseUpgrade(request: IncomingMessage, host: string): string | null {
  const path = URL.canParse(request.url ?? '', 'http://localhost')
    ? new URL(request.url ?? '', 'http://localhost').pathname
    : ''
  if (path !== graphqlPath) return '404 Not Found'
  return isAllowedOrigin(request, host) ? null : '403 Forbidden'
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(listenError(error, host, port)))
    server.listen(port, host, () => {
      server.removeAllListeners('error')
      resolve()
    })
  })
}

function listenError(error: NodeJS.ErrnoException, host: string, port: number): Error {
  const why: Record<string, string> = {
    EADDRINUSE: 'another program listens there',
    EACCES: 'this user may not listen there',
    EADDRNOTAVAIL: 'this machine has no such address',
    ENOTFOUND: 'no such host is known',
  }
  const reason = why[error.code ?? '']
  if (reason === undefined) return error
  return new TrainqlError(
    {
      code: 'CONFIG_INVALID',
      message: `The server cannot listen on ${host}:${port}: ${reason}.`,
      fix: 'Stop that program, or set TRAINQL_PORT to another port (0 for any free one) or TRAINQL_HOST to another address.',
    },
    { cause: error },
  )
}
