// How the editor reaches the server: requests over HTTP, subscriptions over graphql-ws, both at this page's own origin.
import { createGraphiQLFetcher, type Fetcher } from '@graphiql/toolkit'
import { GraphQLError, Kind, parse, type DocumentNode } from 'graphql'
import { createClient } from 'graphql-ws'

/** @param url of the GraphQL endpoint, http or https */
export function createFetcher(url: string): Fetcher {
  const fetcher = createGraphiQLFetcher({
    url,
    wsClient: createClient({ url: url.replace(/^http/, 'ws'), retryAttempts: 0 }),
  })
  // GraphiQL learns what a tab holds a moment after it shows it: run at once, it would send the last tab's operation
  // name and take a subscription for a query. What is sent is taken from the document itself.
  return (parameters, options) => {
    const document = tryParse(parameters.query)
    if (document === undefined) return fetcher(parameters, options)
    const operations = document.definitions.filter((definition) => definition.kind === Kind.OPERATION_DEFINITION)
    const operationName = operations.length === 1 ? operations[0]?.name?.value : parameters.operationName
    return fetcher({ ...parameters, operationName }, { ...options, documentAST: document })
  }
}

/** Undefined where the text is no GraphQL; the server says then what is wrong with it. */
function tryParse(query: string): DocumentNode | undefined {
  try {
    return parse(query)
  } catch (error) {
    if (error instanceof GraphQLError) return undefined
    throw error
  }
}
