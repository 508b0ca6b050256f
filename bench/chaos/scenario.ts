// A storm from beginning to end: a server with runs and subscribers, the faults, one orderly restart, every run to its end,
// and then the verdict.
import { appendFileSync, cpSync, mkdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createClient, type CreateRunInput } from '../../src/sdk/index.ts'
import { startProxy } from '../../test/sdk/proxy.ts'
import { type Broken, judge, type Verdict } from './invariants.ts'
import { eventually, type Load, startLoad } from './load.ts'
import { type FaultKind, planStorm, type PlanRequest } from './plan.ts'
import { trainReferences } from './reference.ts'
import { createStormServer, type StormServer } from './server.ts'
import { rageStorm, type Scene, type StormRecord } from './storm.ts'
import { openClock, type SmallDisk } from './surroundings.ts'
import { listLiveTrainers, listProcessesWith, signalTrainer } from './trainers.ts'

export interface Scenario extends PlanRequest {
  /** An empty folder. */
  home: string
  recipes: readonly CreateRunInput[]
  /** Runs of all, and at a time. */
  runs: { atOnce: number; atMost: number }
  /** No fault comes later; what follows takes a minute or two. */
  stormMs: number
  /** From the last fault until every run has ended. */
  settleMs: number
  /** Of everything. */
  withinMs: number
}

export interface Outcome extends Verdict {
  injected: Partial<Record<FaultKind, number>>
  faults: number
  serverKills: number
  /** Of them, those that came while it was to start. */
  killsInStart: number
  /** The server ended though nobody had ended it. */
  serverDeaths: number
  runs: number
  attempts: number
  seconds: number
  complaints: Record<string, number>
}

export interface Surroundings {
  disk: SmallDisk | null
  signal: AbortSignal
  note: (line: string) => void
}

const deviceCount = 2
/** Reading and comparing what a storm left takes less. */
const judgingMs = 15_000

/** Every process that was started is gone when this returns, or throws. */
export async function runScenario(scenario: Scenario, { disk, signal, note }: Surroundings): Promise<Outcome> {
  const { home, recipes, runs } = scenario
  const begun = performance.now()
  const runsFolder = join(home, 'runs')
  mkdirSync(runsFolder, { recursive: true })
  const clock = openClock(join(home, 'chaos'))
  const server = await createStormServer(home, {
    ...clock.environment,
    TRAINQL_CPU_DEVICES: String(deviceCount),
    TRAINQL_SILENT_SECONDS: '2',
  })
  const proxy = await startProxy(server.port)
  const subscribersUrl = proxy.url
  const load = startLoad({ url: server.url, subscribersUrl, runsFolder, recipes, ...runs, note })
  const scene: Scene = { server, proxy, load, clock, disk, runsFolder }
  try {
    const record = await storm(scenario, scene, { signal, note })
    load.stopMaking()
    const aftermath = await settle(scenario, scene, { signal, note })
    note('  training the undisturbed references')
    const ended = load.runs().filter((run) => run.ended)
    const directories = ended.map(({ directory }) => directory)
    const leftMs = scenario.withinMs - judgingMs - (performance.now() - begun)
    const references = await orWhenLate(leftMs, trainReferences(directories), new Map<string, string>())
    signal.throwIfAborted()
    const verdict = await judge({ home, runs: load.runs(), record, references })
    for (const [name, words] of Object.entries(aftermath)) verdict.broken[name as keyof Broken].push(...words)
    return summarise(record, { load, verdict, seconds: (performance.now() - begun) / 1000 })
  } finally {
    await load.close()
    await proxy.close()
    await server.kill()
    await endLeftovers(runsFolder)
  }
}

type Watch = Pick<Surroundings, 'signal' | 'note'>

async function storm(scenario: Scenario, scene: Scene, { signal, note }: Watch): Promise<StormRecord> {
  const plan = planStorm(scenario)
  const during = AbortSignal.any([signal, AbortSignal.timeout(scenario.stormMs)])
  const record = await rageStorm(scene, plan, during)
  signal.throwIfAborted()
  const lines = record.injected.map((fault) => `${JSON.stringify(fault)}\n`)
  appendFileSync(join(scenario.home, 'storm.jsonl'), lines.join(''))
  note(`  ${record.injected.length} faults injected; now every run goes to its end`)
  return record
}

/** One orderly restart, every run to its end, and what is left then. */
async function settle({ home, settleMs }: Scenario, scene: Scene, { signal, note }: Watch): Promise<Partial<Broken>> {
  const { server, load, runsFolder } = scene
  await server.stop()
  const { listening } = server.start()
  if (!(await listening)) throw new Error(`The server did not start again; its log is ${server.logFile}.`)
  const late = AbortSignal.any([signal, AbortSignal.timeout(settleMs)])
  const unfinishedRuns = await unfinished(load, late)
  signal.throwIfAborted()
  const leakedDevices = await heldDevices(server, signal)
  const code = await server.stop()
  if (code !== 0) note(`  ! the server's orderly end gave ${code}`)
  const leakedProcesses = [
    ...listLiveTrainers(runsFolder).map(({ runId, attempt, identity }) => {
      return `process ${identity.pid} still holds attempt ${attempt} of ${runId}`
    }),
    ...listProcessesWith('TRAINQL_HOME', home).map(
      (pid) => `process ${pid} was started for ${home} and is still there`,
    ),
  ]
  return { unfinishedRuns, leakedDevices, leakedProcesses }
}

async function unfinished(load: Load, late: AbortSignal): Promise<string[]> {
  await Promise.race([
    load.settled(),
    sleep(2 ** 31 - 1, undefined, { signal: late, ref: false }).catch(() => undefined),
  ])
  return load
    .runs()
    .filter(({ ended }) => !ended)
    .map(({ id, seen }) => `${id} had not succeeded in time, after ${seen.length} events`)
}

/** What comes of the work, or the other where it takes longer. */
async function orWhenLate<T>(ms: number, work: Promise<T>, otherwise: T): Promise<T> {
  const timer = new AbortController()
  const late = sleep(Math.max(0, ms), otherwise, { signal: timer.signal }).catch(() => otherwise)
  try {
    return await Promise.race([work, late])
  } finally {
    timer.abort()
  }
}

async function heldDevices({ url }: StormServer, signal: AbortSignal): Promise<string[]> {
  await using client = createClient({ url })
  const { nodes } = await eventually(client, () => client.devices({}, { signal }), signal)
  return nodes.flatMap(({ name, state }) => (state === 'FREE' ? [] : [`${name} is ${state}`]))
}

function summarise(
  { injected, serverKills, serverDeaths }: StormRecord,
  { load, verdict, seconds }: { load: Load; verdict: Verdict; seconds: number },
): Outcome {
  const counts: Partial<Record<FaultKind, number>> = {}
  for (const { kind } of injected) counts[kind] = (counts[kind] ?? 0) + 1
  const runs = load.runs()
  return {
    ...verdict,
    injected: counts,
    faults: injected.length,
    serverKills: serverKills.length,
    killsInStart: serverKills.filter(({ starting }) => starting).length,
    serverDeaths,
    runs: runs.length,
    attempts: runs.reduce((sum, { seen }) => sum + Math.max(0, ...seen.map(({ attempt }) => attempt)), 0),
    seconds,
    complaints: Object.fromEntries(load.complaints()),
  }
}

async function endLeftovers(runsFolder: string): Promise<void> {
  for (const trainer of listLiveTrainers(runsFolder)) signalTrainer(trainer, 'SIGKILL')
  await sleep(0)
}

/** Everything but the weights, which are large. */
export function keepEvidence(home: string, folder: string): void {
  cpSync(home, folder, { recursive: true, filter: (path) => !basename(path).endsWith('.safetensors') })
}
