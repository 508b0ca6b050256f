// A storm from beginning to end: a server with runs and subscribers, the faults, one orderly restart, every run to its end,
// and then the verdict.
import { appendFileSync, cpSync, mkdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createClient, type CreateRunInput } from '../../src/sdk/index.ts'
import { startProxy } from '../../test/sdk/proxy.ts'
import { countParts } from './event-order.ts'
import { type Broken, judge, type Verdict } from './invariants.ts'
import { eventually, type Load, startLoad } from './load.ts'
import { orWhenLate, pause } from './pause.ts'
import { type FaultKind, planStorm, type PlanRequest } from './plan.ts'
import type { Injected, StormRecord } from './record.ts'
import { createReferences } from './reference.ts'
import { createStormServer, type StormServer } from './server.ts'
import { keepServer } from './server-keeper.ts'
import type { Staller } from './stall.ts'
import { rageStorm, type Scene } from './storm.ts'
import { openClock, openDatabaseSwitch, type SmallDisk, surroundingsEnvironment } from './surroundings.ts'
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
  kinds: KindOutcome[]
  faults: number
  serverKills: number
  /** Of them, those that came while it was to start. */
  killsInStart: number
  /** Of them, those that came while runs were under way. */
  killsDuringRuns: number
  runs: number
  attempts: number
  /** Files of the attempts' logs, each of which goes on in another once it has some kilobytes. */
  logParts: number
  /** Times that a user had a run paused, and then resumed. */
  pauses: number
  seconds: number
  complaints: Record<string, number>
}

/** Of one kind of fault. */
export interface KindOutcome {
  kind: FaultKind
  injected: number
  /** Runs that it met. */
  runs: number
  /** What is broken of these runs. */
  lostEvents: number
  doubledEvents: number
  notBitEqual: number
}

export interface Surroundings {
  disk: SmallDisk | null
  staller: Staller | null
  signal: AbortSignal
  note: (line: string) => void
}

const deviceCount = 2
const environment = {
  TRAINQL_CPU_DEVICES: String(deviceCount),
  TRAINQL_SILENT_SECONDS: '2',
  TRAINQL_STALLED_SECONDS: '2',
  // Half a dozen steps: logs go on in other files all along.
  TRAINQL_LOG_PART_BYTES: '2048',
}
const pauseEveryMs = 15_000
/** Reading and comparing what a storm left takes less. */
const judgingMs = 15_000

/** Every process that was started is gone when this returns, or throws. */
export async function runScenario(scenario: Scenario, surroundings: Surroundings): Promise<Outcome> {
  const { home, recipes, runs, seed, pace } = scenario
  const { signal, note } = surroundings
  const begun = performance.now()
  const [runsFolder, folder] = [join(home, 'runs'), join(home, 'chaos')]
  for (const path of [runsFolder, folder]) mkdirSync(path, { recursive: true })
  const [clock, database] = [openClock(folder), openDatabaseSwitch(folder)]
  const server = await createStormServer({
    home,
    folder,
    environment: { ...surroundingsEnvironment(folder), ...environment },
  })
  const keeper = keepServer(server, note)
  keeper.start()
  const proxy = await startProxy(server.port)
  const users = { url: server.url, subscribersUrl: proxy.url, pauseEveryMs: pauseEveryMs * pace }
  const references = createReferences()
  const load = startLoad({ ...users, runsFolder, recipes, seed, ...runs, onRun: (run) => references.train(run), note })
  const scene: Scene = { ...surroundings, keeper, proxy, load, clock, database, runsFolder }
  try {
    const record = await storm(scenario, scene, { signal, note })
    load.stopMaking()
    const aftermath = await settle(scenario, scene, { server, signal, note })
    note('  every run has ended; now what came of them is looked at')
    const ended = load.runs().filter((run) => run.ended)
    const hashes = references.hashes(ended.map(({ directory }) => directory))
    const leftMs = scenario.withinMs - judgingMs - (performance.now() - begun)
    const undisturbed = await orWhenLate(leftMs, hashes, new Map<string, string>())
    signal.throwIfAborted()
    const verdict = await judge({ home, runs: load.runs(), record, references: undisturbed })
    verdict.broken.serverFailures.push(...keeper.failures())
    for (const [name, words] of Object.entries(aftermath)) verdict.broken[name as keyof Broken].push(...words)
    return summarise(record, { load, verdict, seconds: (performance.now() - begun) / 1000 })
  } finally {
    await load.close()
    await proxy.close()
    await keeper.close()
    await server.kill()
    await endLeftovers(runsFolder)
  }
}

type Watch = Pick<Surroundings, 'signal' | 'note'>

async function storm(scenario: Scenario, scene: Scene, { signal, note }: Watch): Promise<StormRecord> {
  const plan = planStorm(scenario)
  const during = AbortSignal.any([signal, AbortSignal.timeout(scenario.stormMs)])
  const file = join(scenario.home, 'storm.jsonl')
  const keep = (fault: Injected): void => appendFileSync(file, `${JSON.stringify(fault)}\n`)
  const record = await rageStorm(scene, plan, { signal: during, keep })
  signal.throwIfAborted()
  note(`  ${record.injected.length} faults injected; now every run goes to its end`)
  return record
}

/** One orderly restart, every run to its end, and what is left then. */
async function settle(
  { home, settleMs }: Scenario,
  { keeper, load, runsFolder }: Scene,
  { server, signal, note }: Watch & { server: StormServer },
): Promise<Partial<Broken>> {
  await keeper.stop()
  keeper.start()
  await keeper.listening()
  const late = AbortSignal.any([signal, AbortSignal.timeout(settleMs)])
  const unfinishedRuns = await unfinished(load, late)
  signal.throwIfAborted()
  const leakedDevices = await heldDevices(server, signal)
  const code = await keeper.stop()
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
  await Promise.race([load.settled(), pause(2 ** 31 - 1, late)])
  return load
    .runs()
    .filter(({ ended }) => !ended)
    .map(({ id, seen }) => `${id} had not succeeded in time, after ${seen.length} events`)
}

async function heldDevices({ url }: StormServer, signal: AbortSignal): Promise<string[]> {
  await using client = createClient({ url })
  const { nodes } = await eventually(client, () => client.devices({}, { signal }), signal)
  return nodes.flatMap(({ name, state }) => (state === 'FREE' ? [] : [`${name} is ${state}`]))
}

function summarise(
  { injected, serverKills }: StormRecord,
  { load, verdict, seconds }: { load: Load; verdict: Verdict; seconds: number },
): Outcome {
  const runs = load.runs()
  const kinds = [...new Set(injected.map(({ kind }) => kind))].sort()
  return {
    ...verdict,
    kinds: kinds.map((kind) => outcomeOf(kind, injected, verdict.broken)),
    faults: injected.length,
    serverKills: serverKills.length,
    killsInStart: serverKills.filter(({ starting }) => starting).length,
    killsDuringRuns: injected.filter((fault) => fault.kind === 'server-kills' && fault.runs.length > 0).length,
    runs: runs.length,
    attempts: sum(runs.map(({ seen }) => Math.max(0, ...seen.map(({ attempt }) => attempt)))),
    logParts: sum(runs.map(({ directory }) => countParts(directory))),
    pauses: load.pauses(),
    seconds,
    complaints: Object.fromEntries(load.complaints()),
  }
}

/** Whoever says what is broken names the run. */
function outcomeOf(kind: FaultKind, injected: readonly Injected[], broken: Broken): KindOutcome {
  const faults = injected.filter((fault) => fault.kind === kind)
  const met = new Set(faults.flatMap(({ runs }) => runs))
  const count = (words: readonly string[]): number =>
    words.filter((line) => [...met].some((runId) => line.includes(runId))).length
  const { lostEvents, doubledEvents, notBitEqual } = broken
  return {
    kind,
    injected: faults.length,
    runs: met.size,
    lostEvents: count(lostEvents),
    doubledEvents: count(doubledEvents),
    notBitEqual: count(notBitEqual),
  }
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0)

async function endLeftovers(runsFolder: string): Promise<void> {
  for (const trainer of listLiveTrainers(runsFolder)) signalTrainer(trainer, 'SIGKILL')
  await sleep(0)
}

/** Everything but the weights, which are large. */
export function keepEvidence(home: string, folder: string): void {
  cpSync(home, folder, { recursive: true, filter: (path) => !basename(path).endsWith('.safetensors') })
}
