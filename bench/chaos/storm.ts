// The storm itself: lanes of faults side by side, each injected at its instant into whatever lives then.
import { appendFileSync, existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { eventsFile } from '../../src/shared/run-directory.ts'
import type { Proxy } from '../../test/sdk/proxy.ts'
import { type LogMark, markLog } from './event-order.ts'
import type { Load } from './load.ts'
import { type FaultKind, type Lane, lanes, type Plan, type PlannedFault } from './plan.ts'
import type { StormServer } from './server.ts'
import type { Clock, SmallDisk } from './surroundings.ts'
import { listLiveTrainers, type LiveTrainer, signalTrainer } from './trainers.ts'

/** A fault as it was. */
export interface Injected {
  kind: FaultKind
  atMs: number
  what: string
}

/** How much each subscriber had seen when the server was killed. */
export interface ServerKill {
  /** Before it listened. */
  starting: boolean
  seen: Map<string, number>
}

export interface StormRecord {
  injected: Injected[]
  serverKills: ServerKill[]
  /** What logs held when their trainers were killed. */
  marks: LogMark[]
  /** Times that the server ended though nobody had ended it, or did not come to listen. */
  serverDeaths: number
}

export interface Scene {
  server: StormServer
  proxy: Proxy
  load: Load
  clock: Clock
  /** Null where none can be had here. */
  disk: SmallDisk | null
  runsFolder: string
}

/** This share of the server's deaths comes while it starts. */
const killedInStart = 0.35
const targetPatienceMs = 50
const startWithinMs = 120_000
const dayMs = 86_400_000

/** Injects what is planned until all is done or the signal is aborted; the server is left running. */
export async function rageStorm(scene: Scene, plan: Plan, signal: AbortSignal): Promise<StormRecord> {
  const record: StormRecord = { injected: [], serverKills: [], marks: [], serverDeaths: 0 }
  const begun = performance.now()
  const storm: Storm = { scene, record, signal, sinceBegin: () => Math.round(performance.now() - begun) }
  await Promise.all(lanes.map((lane) => rage(storm, lane, plan[lane])))
  return record
}

interface Storm {
  scene: Scene
  record: StormRecord
  signal: AbortSignal
  sinceBegin: () => number
}

async function rage(storm: Storm, lane: Lane, faults: readonly PlannedFault[]): Promise<void> {
  const { record, sinceBegin, signal } = storm
  const keeper = lane === 'server' ? serverKeeper(storm) : null
  keeper?.start()
  for (const fault of faults) {
    const what = await inject(storm, fault, keeper)
    if (what === null || signal.aborted) break
    record.injected.push({ kind: fault.kind, atMs: sinceBegin(), what })
  }
  await keeper?.listening()
}

/** What was done; null where the storm ended before. */
async function inject(storm: Storm, fault: PlannedFault, keeper: ServerKeeper | null): Promise<string | null> {
  const { scene, signal } = storm
  switch (fault.kind) {
    case 'server-kills':
      return keeper === null ? null : keeper.kill(fault)
    case 'trainer-kills':
      return onTrainer(storm, fault, (trainer) => {
        signalTrainer(trainer, 'SIGKILL')
        return Promise.resolve('killed')
      })
    case 'trainer-freezes':
      return onTrainer(storm, fault, async (trainer) => {
        signalTrainer(trainer, 'SIGSTOP')
        await pause(fault.lastsMs, signal)
        signalTrainer(trainer, 'SIGCONT')
        return `silent for ${fault.lastsMs} ms`
      })
    case 'torn-lines':
      return onTrainer(storm, fault, (trainer) => Promise.resolve(tearLine(trainer)))
    case 'dropped-sockets':
      return (await pause(fault.delayMs, signal)) ? dropSockets(scene.proxy, fault, signal) : null
    case 'clock-jumps': {
      if (!(await pause(fault.delayMs, signal))) return null
      const offsetMs = Math.round((fault.draw - 0.5) * 2 * dayMs)
      scene.clock.jump(offsetMs)
      return `to ${offsetMs / 1000} s off`
    }
    case 'full-disks':
      return (await pause(fault.delayMs, signal)) ? fillDisk(scene.disk, fault, signal) : null
    default:
      return fault.kind satisfies never
  }
}

interface ServerKeeper {
  start(): void
  /** Resolves once the server listens; starts it again where it ended by itself. */
  listening(): Promise<void>
  kill(fault: PlannedFault): Promise<string | null>
}

function serverKeeper({ scene, record, signal }: Storm): ServerKeeper {
  const { server, load } = scene
  let listening: Promise<boolean> = Promise.resolve(false)

  const keeper: ServerKeeper = {
    start() {
      listening = server.start().listening
    },
    async listening() {
      while (!(await inTime(listening))) {
        record.serverDeaths += 1
        await server.kill()
        keeper.start()
      }
    },
    async kill({ delayMs, draw }) {
      const starting = draw < killedInStart
      if (!starting) await keeper.listening()
      if (!(await pause(starting ? delayMs / 2 : delayMs, signal))) return null
      const seen = new Map(load.runs().map((run) => [run.id, run.seen.length]))
      if (!server.isRunning()) record.serverDeaths += 1
      await server.kill()
      record.serverKills.push({ starting, seen })
      keeper.start()
      return starting ? 'killed while it started' : 'killed in service'
    },
  }
  return keeper
}

/** A server that neither listens nor ends within a time in which any does is as good as dead. */
async function inTime(listening: Promise<boolean>): Promise<boolean> {
  const timer = new AbortController()
  const late = sleep(startWithinMs, false, { signal: timer.signal }).catch(() => false)
  try {
    return await Promise.race([listening, late])
  } finally {
    timer.abort()
  }
}

/** Waits for the fault's time, and then for a trainer that lives. */
async function onTrainer(
  { scene, record, signal }: Storm,
  { delayMs, draw }: PlannedFault,
  action: (trainer: LiveTrainer) => Promise<string>,
): Promise<string | null> {
  if (!(await pause(delayMs, signal))) return null
  for (;;) {
    const live = listLiveTrainers(scene.runsFolder)
    const trainer = live[Math.floor(draw * live.length)]
    if (trainer !== undefined) {
      const log = eventsFile(trainer.directory, trainer.attempt)
      if (existsSync(log)) record.marks.push(markLog(log))
      return `attempt ${trainer.attempt} of ${trainer.runId}: ${await action(trainer)}`
    }
    if (!(await pause(targetPatienceMs, signal))) return null
  }
}

/** What a trainer leaves that dies in the middle of a write: the beginning of a line, and never less than whole lines before. */
function tearLine(trainer: LiveTrainer): string {
  const { runId, directory, attempt } = trainer
  const log = eventsFile(directory, attempt)
  signalTrainer(trainer, 'SIGSTOP')
  const torn = existsSync(log)
  if (torn) appendFileSync(log, `{"run":"${runId}","attempt":${attempt},"seq":`)
  signalTrainer(trainer, 'SIGKILL')
  return torn ? 'killed in the middle of a line' : 'killed before its first line'
}

/** Cut off, refused for a while, or half-open: open to the eye, and nothing passes. */
async function dropSockets(proxy: Proxy, { draw, lastsMs }: PlannedFault, signal: AbortSignal): Promise<string> {
  const connections = proxy.connections()
  if (draw < 0.2) {
    proxy.freeze()
    return `${connections} half-open`
  }
  proxy.cut()
  if (draw < 0.6) return `${connections} cut`
  proxy.refuse(true)
  await pause(lastsMs, signal)
  proxy.refuse(false)
  return `${connections} cut, and others refused for ${lastsMs} ms`
}

async function fillDisk(disk: SmallDisk | null, { lastsMs }: PlannedFault, signal: AbortSignal): Promise<string> {
  if (disk === null) throw new Error('a full disk was planned where there is no disk to fill')
  disk.fill()
  await pause(lastsMs, signal)
  disk.free()
  return `full for ${lastsMs} ms`
}

/** False where the storm ended meanwhile. */
async function pause(ms: number, signal: AbortSignal): Promise<boolean> {
  await sleep(ms, undefined, { signal }).catch(() => undefined)
  return !signal.aborted
}
