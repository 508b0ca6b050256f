// `trainql demo`: a server of our own, one training run through the SDK, shown as it goes.
import { existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { delimiter, join, resolve } from 'node:path'
import { createClient, type Client, type Dataset } from '../../sdk/index.ts'
import { dataFolders } from '../data-folders.ts'
import { CliFailure } from '../failure.ts'
import { aborted, Interrupted, watchInterruption } from '../interruption.ts'
import type { DemoPlan } from '../parse.ts'
import { dataDirectory, displayPath, packageRoot, packageVersion } from '../places.ts'
import { freePort, startServerProcess, type ServerProcess } from '../server-process.ts'
import { counted } from '../terminal/format.ts'
import { createScreen, isInteractive, type Screen, type Streams } from '../terminal/screen.ts'
import { cancelUnfinished, shutDown } from '../demo/shut-down.ts'
import { compare, showCheckpoint, showComparison, showResult, summaryOf } from '../demo/summary.ts'
import { chooseTask, type Task } from '../demo/task.ts'
import { watchRun, type TrainedRun } from '../demo/watch-run.ts'

const defaultPort = 4000
const host = '127.0.0.1'

/** Resolves with the exit code. @throws what went wrong, once nothing of the demo runs any more */
export async function demo(plan: DemoPlan, { stdout, stderr }: Streams): Promise<number> {
  const screen = createScreen(plan.json ? stderr : stdout, process.env)
  const keep = plan.keep ?? (!plan.json && isInteractive(stdout, process.env))
  const home = resolve(dataDirectory(), 'demo')
  const roots = dataRoots(plan)
  const interruption = watchInterruption()
  let session: { client: Client; server: ServerProcess; home: string } | undefined
  try {
    screen.line(`${screen.style.bold('TrainQL')} ${packageVersion()}`)
    const server = await launch(plan, { home, roots, screen }, interruption.asked)
    const client = createClient({ url: server.url })
    session = { client, server, home }
    const signal = AbortSignal.any([interruption.asked, server.gone])
    const urls = urlsOf(server.url)
    await cancelUnfinished(client, signal)
    const task = await prepare(plan, { client, roots, screen }, signal)
    showUrls(urls, screen)

    const trained = await train(task, plan.devices, { client, screen }, signal)
    showResult(trained, screen)
    let comparison
    if (plan.compare && plan.devices > 1) {
      screen.line()
      screen.line(screen.style.bold('The same on one device:'))
      comparison = compare(await train(task, 1, { client, screen }, signal), trained)
      showComparison(comparison, screen)
    }
    screen.line()
    if (trained.checkpoint !== undefined) showCheckpoint(trained.checkpoint, screen)
    if (plan.json) stdout.write(`${JSON.stringify(summaryOf(trained, urls, comparison))}\n`)
    if (keep) await linger(urls, screen, signal)
    else screen.line(screen.style.dim(`Look again: ${startCommand()} --home ${displayPath(home, process.cwd())}`))
    return 0
  } catch (error) {
    screen.status()
    if (error instanceof Interrupted) return error.exitCode
    throw error
  } finally {
    if (interruption.asked.aborted) {
      screen.line()
      screen.line(screen.style.dim('Stopping; once more Ctrl-C stops by force …'))
    }
    if (session !== undefined) await shutDown(session, interruption.forced)
    if (interruption.asked.aborted) screen.line(screen.style.dim('Stopped: nothing is left running.'))
    interruption.dispose()
  }
}

async function launch(
  plan: DemoPlan,
  { home, roots, screen }: { home: string; roots: readonly string[]; screen: Screen },
  signal: AbortSignal,
): Promise<ServerProcess> {
  const wanted = plan.port ?? Number(process.env['TRAINQL_PORT'] ?? process.env['PORT'] ?? defaultPort)
  const port = await freePort(wanted, host)
  if (wanted !== 0 && port !== wanted) screen.line(screen.style.dim(`Port ${wanted} is taken; using ${port}.`))
  screen.status(screen.style.dim('starting the server …'))
  const cores = Number(process.env['TRAINQL_CPU_DEVICES'] ?? availableParallelism())
  const environment = {
    TRAINQL_DATA: roots.join(delimiter),
    // More devices than cores share them.
    TRAINQL_CPU_DEVICES: String(Math.max(plan.devices, cores)),
    // Whatever ends this server ends its trainers: nobody would look for them in the demo's folder.
    TRAINQL_STOP_TRAINERS_ON_EXIT: '1',
    TRAINQL_CANCEL_GRACE_SECONDS: '10',
    // Its own embedded database, also where a server of ours has another.
    DATABASE_URL: '',
  }
  const server = await startServerProcess({ home, host, port, environment }, signal)
  screen.status()
  return server
}

/** Where datasets are looked for: what was given; else the environment and the folder beside the package. */
function dataRoots({ data }: DemoPlan): string[] {
  if (data !== undefined) return dataFolders(data)
  const named = (process.env['TRAINQL_DATA'] ?? '').split(delimiter).filter((root) => root !== '')
  const beside = resolve(packageRoot, '../shared/data')
  return [...named, ...(existsSync(beside) ? [beside] : [])]
}

async function prepare(
  plan: DemoPlan,
  { client, roots, screen }: { client: Client; roots: readonly string[]; screen: Screen },
  signal: AbortSignal,
): Promise<Task> {
  const [server, datasets] = await Promise.all([client.server({ signal }), allDatasets(client, signal)])
  const task = chooseTask(plan, server, datasets, roots)
  for (const note of task.notes) screen.line(note)
  const { input, dataset } = task
  const from = dataset.path === null ? 'built in' : displayPath(dataset.path, process.cwd())
  const [epochs, devices] = [counted(input.epochs ?? 1, 'epoch'), counted(plan.devices, 'device')]
  screen.line(`${modelName(plan.model)} on ${dataset.name} (${from}), ${epochs}, Adam, ${devices}`)
  return task
}

async function allDatasets(client: Client, signal: AbortSignal): Promise<Dataset[]> {
  const datasets: Dataset[] = []
  let after: string | null = null
  do {
    const { nodes, pageInfo } = await client.datasets({ first: 50, after }, { signal })
    datasets.push(...nodes)
    after = pageInfo.hasNextPage ? pageInfo.endCursor : null
  } while (after !== null)
  return datasets
}

async function train(
  { input }: Task,
  devices: number,
  { client, screen }: { client: Client; screen: Screen },
  signal: AbortSignal,
): Promise<TrainedRun> {
  const name = `demo on ${counted(devices, 'device')}`
  const created = await client.createRun({ ...input, name, devices: { count: devices, kind: 'CPU' } }, { signal })
  const trained = await watchRun(client, created, screen, signal)
  if (trained.run.state === 'SUCCEEDED') return trained
  throw endedBadly(trained)
}

function endedBadly({ run, checkpoint }: TrainedRun): CliFailure {
  const { failure } = run
  if (failure === null)
    return new CliFailure(`The run ended as ${run.state}.`, `Look into ${join(run.directory, 'log.txt')}.`)
  const saved = checkpoint === undefined ? '' : ` The last good checkpoint is ${checkpoint.path}.`
  return new CliFailure(`The run failed: ${failure.message}${saved}`, failure.fix)
}

function urlsOf(url: string): { graphql: string; playground: string; subscriptions: string } {
  return {
    graphql: `${url}/graphql`,
    playground: `${url}/playground`,
    subscriptions: `${url.replace(/^http/, 'ws')}/graphql`,
  }
}

function showUrls({ graphql, playground, subscriptions }: ReturnType<typeof urlsOf>, screen: Screen): void {
  const { style } = screen
  screen.line()
  screen.line(`playground     ${style.cyan(playground)}`)
  screen.line(`GraphQL        ${style.cyan(graphql)}`)
  screen.line(`subscriptions  ${style.cyan(subscriptions)}`)
  screen.line()
}

async function linger(urls: ReturnType<typeof urlsOf>, screen: Screen, signal: AbortSignal): Promise<void> {
  screen.line()
  screen.line(`The server stays up: open ${screen.style.cyan(urls.playground)}, or press Ctrl-C to stop.`)
  await aborted(signal)
  if (!(signal.reason instanceof Interrupted)) throw signal.reason
}

/** As the person who started the demo would type it. */
function startCommand(): string {
  return process.env['npm_lifecycle_event'] === undefined ? 'trainql start' : 'npm start --'
}

function modelName(model: string): string {
  return model.replace('resnet', 'ResNet-')
}
