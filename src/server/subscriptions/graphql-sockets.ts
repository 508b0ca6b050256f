// GraphQL over WebSocket, by the protocol of graphql-ws: subscriptions that ask the same share each event's execution.
import {
  createSourceEventStream,
  execute,
  type ExecutionArgs,
  type ExecutionResult,
  getOperationAST,
  GraphQLError,
  type GraphQLFormattedError,
  type GraphQLSchema,
  OperationTypeNode,
} from 'graphql'
import { useServer } from 'graphql-ws/use/ws'
import type { WebSocket, WebSocketServer } from 'ws'
import { type ContextSources, createContext } from '../context.ts'
import { DatabaseUnavailable, outlast } from '../database/outage.ts'
import type { createFormatError } from '../format-error.ts'
import { deliver } from './delivery.ts'
import { createDocuments } from './documents.ts'
import { operationKey } from './operation-key.ts'
import { createSharedResults } from './shared-results.ts'

export interface GraphqlSocketsOptions {
  schema: GraphQLSchema
  sources: ContextSources
  formatError: ReturnType<typeof createFormatError>
}

/** A client that asks for more than it reads is cut off here. */
const mostBufferedBytes = 16 * 1024 * 1024

/** Everybody may see everything; with rights, those of the same rights are one audience, decided in `onSubscribe`. */
const audience = 'everyone'

/** What a subscription needs beyond its arguments: where its events go, and whose they equal. */
interface Subscriber {
  socket: WebSocket
  id: string
  key: string
}

export function serveGraphqlSockets(
  sockets: WebSocketServer,
  { schema, sources, formatError }: GraphqlSocketsOptions,
): { dispose: () => Promise<void> } {
  const documents = createDocuments(schema)
  const results = createSharedResults()
  const subscribers = new WeakMap<object, Subscriber>()
  // It lives as long as the server: it batches look-ups and remembers none.
  const contextValue = createContext(sources, { cache: false })
  const format = (error: GraphQLError | GraphQLFormattedError) => formatSocketError(error, formatError)

  function textOf(result: ExecutionResult): string {
    const { data, errors } = result
    return JSON.stringify(errors === undefined ? { data } : { errors: errors.map(format), data })
  }

  async function subscribe(args: ExecutionArgs): Promise<AsyncIterableIterator<never> | ExecutionResult> {
    const subscriber = subscribers.get(args)
    if (subscriber === undefined) throw new Error('a subscription that did not come through onSubscribe')
    const { socket, id, key } = subscriber
    const source = await createSourceEventStream(args)
    if (!(Symbol.asyncIterator in source)) return source
    return deliver({
      source: source as AsyncIterable<object>,
      // An event whose payload cannot be read while the database is away waits for it.
      textOf: (item) => results.of(key, item, () => outlast(async () => textOf(await executeWith(args, item)))),
      socket,
      id,
    })
  }

  const server = useServer(
    {
      onSubscribe({ extra: { socket } }, id, payload) {
        const checked = documents(payload.query)
        if ('errors' in checked) return checked.errors
        // The one text, rather than each subscriber's own copy of it.
        Object.assign(payload, { query: checked.text })
        const { text, document } = checked
        const { operationName, variables } = payload
        const args = { schema, document, operationName, variableValues: variables, contextValue }
        const operation = getOperationAST(document, operationName)
        if (operation?.operation === OperationTypeNode.SUBSCRIPTION) {
          const key = operationKey({ text, document, operation, variables: variables ?? {}, audience })
          subscribers.set(args, { socket, id, key })
        }
        return args
      },
      subscribe,
      onError: (_context, _id, _payload, errors) => errors.map(format),
      onNext: (_context, _id, _payload, _args, result) =>
        result.errors === undefined
          ? undefined
          : { ...result, errors: result.errors.map((error) => asError(format(error))) },
    },
    sockets,
  )
  sockets.on('connection', (socket) => {
    const cutOff = (): void => {
      if (socket.bufferedAmount > mostBufferedBytes) socket.terminate()
    }
    socket.on('message', cutOff)
    socket.on('ping', cutOff)
  })
  return { dispose: async () => server.dispose() }
}

/** @throws DatabaseUnavailable where the database was away for some of it */
async function executeWith(args: ExecutionArgs, rootValue: object): Promise<ExecutionResult> {
  const result = await execute({ ...args, rootValue })
  const away = result.errors?.find(({ originalError }) => originalError instanceof DatabaseUnavailable)
  if (away?.originalError instanceof DatabaseUnavailable) throw away.originalError
  return result
}

/** Over WebSocket no library gives errors in the request a code: they are those without a path into the data. */
function formatSocketError(
  error: GraphQLError | GraphQLFormattedError,
  format: GraphqlSocketsOptions['formatError'],
): GraphQLFormattedError {
  const formatted = error instanceof GraphQLError ? error.toJSON() : error
  if (formatted.path !== undefined || formatted.extensions?.['code'] !== undefined) return format(formatted, error)
  return format({ ...formatted, extensions: { code: 'BAD_USER_INPUT' } }, error)
}

function asError({ message, path, extensions }: GraphQLFormattedError): GraphQLError {
  return new GraphQLError(message, { path, extensions })
}
