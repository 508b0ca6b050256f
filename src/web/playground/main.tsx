// The playground: GraphiQL on this server, subscriptions over graphql-ws.
import 'graphiql/setup-workers/vite'
import 'graphiql/style.css'
import './playground.css'
import { GraphiQL } from 'graphiql'
import { createRoot } from 'react-dom/client'
import { createClient } from '../../sdk/index.ts'
import { examples } from './examples.ts'
import { createFetcher } from './fetcher.ts'

const url = new URL('/graphql', window.location.href).href
/** The tabs about one run start with the newest; without a server, or without a run, they start empty. */
async function newestRunId(): Promise<string> {
  const client = createClient({ url, timeoutMs: 3_000 })
  try {
    const { nodes } = await client.runs({ first: 1 })
    return nodes[0]?.id ?? ''
  } catch {
    // GraphiQL shows what is wrong with the server better than we could here.
    return ''
  }
}

const tabs = examples(await newestRunId()).map(({ query, variables }) => ({
  query,
  variables: variables === undefined ? null : JSON.stringify(variables, null, 2),
}))

const root = document.getElementById('root')
if (root === null) throw new Error('index.html has no #root.')
createRoot(root).render(
  <GraphiQL fetcher={createFetcher(url)} defaultTabs={tabs} defaultEditorToolsVisibility="variables">
    <GraphiQL.Logo>TrainQL</GraphiQL.Logo>
  </GraphiQL>,
)
