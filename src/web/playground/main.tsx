// The playground: GraphiQL on this server, subscriptions over graphql-ws.
import 'graphiql/setup-workers/vite'
import 'graphiql/style.css'
import './playground.css'
import { GraphiQL } from 'graphiql'
import { createRoot } from 'react-dom/client'
import { createClient } from '../../sdk/index.ts'
import type { Newest } from './example.ts'
import { examples } from './examples.ts'
import { createFetcher } from './fetcher.ts'

const url = new URL('/graphql', window.location.href).href
/** The tabs about one run or checkpoint start with the newest; without a server, or without any, they start empty. */
async function findNewest(): Promise<Newest> {
  const client = createClient({ url, timeoutMs: 3_000 })
  try {
    const runId = (await client.runs({ first: 1 })).nodes[0]?.id ?? ''
    // Of the newest run that has one, the last.
    const newest = (await client.checkpoints({ first: 1 })).nodes[0]
    const owner = newest?.runId ?? null
    const last = owner === null ? [] : (await client.checkpoints({ runId: owner, last: 1 })).nodes
    return { runId, checkpointId: last[0]?.id ?? newest?.id ?? '' }
  } catch {
    // GraphiQL shows what is wrong with the server better than we could here.
    return { runId: '', checkpointId: '' }
  }
}

const tabs = examples(await findNewest()).map(({ query, variables }) => ({
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
