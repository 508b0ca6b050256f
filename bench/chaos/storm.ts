// The storm itself: lanes of faults side by side, each injected at its instant into whatever lives then.
import type { Proxy } from '../../test/sdk/proxy.ts'
import type { Load } from './load.ts'
import { pause } from './pause.ts'
import { lanes, type Plan, type PlannedFault } from './plan.ts'
import type { Deed, Injected, StormRecord } from './record.ts'
import type { ServerKeeper } from './server-keeper.ts'
import type { Staller } from './stall.ts'
import type { Clock, DatabaseSwitch, SmallDisk } from './surroundings.ts'
import { createTrainerFaults, type TrainerFaults } from './trainer-faults.ts'

export interface Scene {
  keeper: ServerKeeper
  proxy: Proxy
  load: Load
  clock: Clock
  database: DatabaseSwitch
  /** Null where none can be had here. */
  disk: SmallDisk | null
  staller: Staller | null
  runsFolder: string
}

/** This share of the server's deaths comes while it starts. */
const killedInStart = 0.35
const targetPatienceMs = 50
const dayMs = 86_400_000

export interface RageOptions {
  signal: AbortSignal
  /** Called with each fault as it is injected. */
  keep: (fault: Injected) => void
}

/** Injects what is planned until all is done or the signal is aborted; the server is left running. */
export async function rageStorm(scene: Scene, plan: Plan, { signal, keep }: RageOptions): Promise<StormRecord> {
  const record: StormRecord = { injected: [], serverKills: [], marks: [] }
  const begun = performance.now()
  const trainers = createTrainerFaults({ ...scene, record, signal })
  const tell = (fault: Omit<Injected, 'atMs'>): void => {
    const injected = { atMs: Math.round(performance.now() - begun), ...fault }
    record.injected.push(injected)
    keep(injected)
  }
  const storm: Storm = { scene, record, signal, trainers, tell }
  await Promise.all(lanes.map((lane) => rage(storm, plan[lane])))
  await scene.keeper.listening()
  return record
}

interface Storm {
  scene: Scene
  record: StormRecord
  signal: AbortSignal
  trainers: TrainerFaults
  /** A fault was injected. */
  tell: (fault: Omit<Injected, 'atMs'>) => void
}

async function rage(storm: Storm, faults: readonly PlannedFault[]): Promise<void> {
  for (const fault of faults) {
    const deed = await inject(storm, fault)
    if (deed === null || storm.signal.aborted) break
    storm.tell({ kind: fault.kind, ...deed })
  }
}

/** Null where the storm ended before. */
function inject(storm: Storm, fault: PlannedFault): Promise<Deed | null> {
  const { scene, trainers, signal } = storm
  switch (fault.kind) {
    case 'server-kills':
      return killServer(storm, fault)
    case 'trainer-kills':
      return trainers.kill(fault)
    case 'trainer-freezes':
      return trainers.freeze(fault)
    case 'stalled-replicas':
      return trainers.stallReplica(fault)
    case 'torn-lines':
      return trainers.tearLine(fault)
    case 'dropped-sockets':
      return toAll(storm, fault.delayMs, () => dropSockets(scene.proxy, fault, signal))
    case 'database-outages':
      return toAll(storm, fault.delayMs, () => endDatabase(scene, signal))
    case 'clock-jumps':
      return toAll(storm, fault.delayMs, () => jump(scene.clock, fault))
    case 'full-disks':
      return toAll(storm, fault.delayMs, () => fillDisk(scene.disk, fault, signal))
    default:
      return Promise.resolve(fault.kind satisfies never)
  }
}

/** Waits, and does what meets every run that is under way then. */
async function toAll(
  { scene, signal }: Storm,
  delayMs: number,
  action: () => Promise<string | null> | string,
): Promise<Deed | null> {
  if (!(await pause(delayMs, signal))) return null
  const live = scene.load.runs().filter(({ ended }) => !ended)
  const what = await action()
  return what === null ? null : { what, runs: live.map(({ id }) => id) }
}

async function killServer(storm: Storm, { delayMs, draw }: PlannedFault): Promise<Deed | null> {
  const { keeper, load } = storm.scene
  const starting = draw < killedInStart
  if (!starting) await keeper.listening()
  return toAll(storm, starting ? delayMs / 2 : delayMs, async () => {
    const seen = new Map(load.runs().map((run) => [run.id, run.seen.length]))
    await keeper.replace()
    storm.record.serverKills.push({ starting, seen })
    return starting ? 'killed while it started' : 'killed in service'
  })
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

/** In the service of a server: one that starts without its database ends, as it should. */
async function endDatabase({ keeper, database }: Scene, signal: AbortSignal): Promise<string | null> {
  do {
    if (keeper.isListening() && (await database.end(signal))) return 'its thread ended'
  } while (await pause(targetPatienceMs, signal))
  return null
}

function jump(clock: Clock, { draw }: PlannedFault): string {
  const offsetMs = Math.round((draw - 0.5) * 2 * dayMs)
  clock.jump(offsetMs)
  return `to ${offsetMs / 1000} s off`
}

async function fillDisk(disk: SmallDisk | null, { lastsMs }: PlannedFault, signal: AbortSignal): Promise<string> {
  if (disk === null) throw new Error('a full disk was planned where there is no disk to fill')
  disk.fill()
  await pause(lastsMs, signal)
  disk.free()
  return `full for ${lastsMs} ms`
}
