// `chaos`: a storm of faults over real processes, and whether an event, a device, a process or a bit is lost in it.
import type { CreateRunInput } from '../../src/sdk/index.ts'
import {
  BenchError,
  type Bench,
  type BenchOptions,
  type Detail,
  type Row,
  rowsOrReason,
  wholeNumber,
} from '../bench.ts'
import type { StormAnswer } from '../chaos/answer.ts'
import { type Invariant, invariants } from '../chaos/invariants.ts'
import { launchStorm, type Launched } from '../chaos/launch.ts'
import { countKinds, type FaultKind, faultKinds } from '../chaos/plan.ts'

const rowNames = ['faults', 'serverKills', 'eventsEqualLog', ...invariants]

export const chaos: Bench = {
  name: 'chaos',
  description: 'a storm of faults over real processes, and what it must not break',
  rowNames,
  settings: {
    seed: 'of the schedule of faults (default 1)',
    faults: 'how many (default 210)',
    minutes: 'no longer than that, all together (default 10)',
    only: `kinds of faults, of ${faultKinds.join(',')}`,
  },
  run,
}

const small: CreateRunInput = {
  dataset: 'shapes',
  engine: 'NATIVE',
  trainImages: 256,
  validationImages: 32,
  globalBatch: 32,
  epochs: 10,
  devices: { count: 1 },
}

/** Goes on by itself, and bears neither silence nor a replica that stands still for long. */
const strict = { maxAttempts: 50, backoffSeconds: 0, unreachableSeconds: 4, stalledSeconds: 4 }

/** Different in what a resumed run has to take up again: momentum, Adam's moments, augmentation, two devices. */
const recipes: readonly CreateRunInput[] = [
  { ...small, seed: '1', checkpoints: { keepLast: 1 } },
  {
    ...small,
    seed: '2',
    optimizer: { kind: 'ADAM' },
    epochs: 6,
    checkpoints: { everySteps: 5, keepLast: 2 },
    retry: strict,
  },
  { ...small, seed: '3', augmentation: { horizontalFlip: true }, devices: { count: 2 }, checkpoints: { keepLast: 1 } },
]

async function* run({ rows, note, settings }: BenchOptions): AsyncGenerator<Row> {
  const faults = wholeNumber('faults', settings['faults'] ?? '210')
  const minutes = wholeNumber('minutes', settings['minutes'] ?? '10')
  const seed = wholeNumber('seed', settings['seed'] ?? '1')
  const kinds = parseKinds(settings['only'])
  const all = await rowsOrReason(rowNames, async () => {
    note(`  ${faults} faults from seed ${seed}, at most ${minutes} minutes`)
    const withinMs = minutes * 60_000
    const launched = await launchStorm({
      seed,
      faults,
      pace: 1,
      kinds,
      recipes: [...recipes],
      runs: { atOnce: 3, atMost: 48 },
      // What comes behind the storm takes less on any machine that keeps up with it.
      stormMs: Math.max(withinMs / 2, withinMs - 150_000),
      settleMs: Math.min(withinMs / 4, 75_000),
      withinMs,
    })
    for (const [words, count] of Object.entries(launched.answer.complaints)) note(`  ${count} times: ${words}`)
    return rowsOf(launched, { faults, kinds })
  })
  yield* all.filter(({ name }) => rows.includes(name))
}

function parseKinds(only: string | undefined): FaultKind[] {
  if (only === undefined) return [...faultKinds]
  return only.split(',').map((name) => {
    const kind = faultKinds.find((known) => known === name)
    if (kind === undefined)
      throw new BenchError(`Expected kinds of faults, of ${faultKinds.join(', ')}; got "${name}".`)
    return kind
  })
}

function rowsOf({ answer, evidence }: Launched, wanted: { faults: number; kinds: readonly FaultKind[] }): Row[] {
  const { faults, serverKills, killsEqualToLog } = answer
  const planned = countKinds(wanted.faults, wanted.kinds)['server-kills'] ?? 0
  const { runs, attempts, logParts, pauses, events, seconds } = answer
  const ofThem = answer.kinds.map(({ kind, injected }) => `${injected} ${kind}`).join(', ')
  const skipped = Object.entries(answer.skipped).map(([kind, why]) => `${kind}: ${why}`)
  const told = Object.entries(answer.told).flatMap(([type, count]) => (count === 0 ? [] : [`${count} ${type}`]))
  const course = { runs, attempts, logParts, pauses, events, seconds, told: told.join(', ') }
  const detail = { ofThem, skipped: skipped.length === 0 ? null : skipped.join('; '), ...course }
  return [
    reached('faults', { value: faults, bar: Math.min(200, wanted.faults), detail, parts: [...answer.kinds] }),
    reached('serverKills', {
      value: serverKills,
      bar: Math.min(50, planned),
      detail: { duringRuns: answer.killsDuringRuns, whileStarting: answer.killsInStart },
    }),
    reached('eventsEqualLog', { value: killsEqualToLog, bar: serverKills, detail: {} }),
    ...invariants.map((name) => intact(name, answer.broken[name], evidence)),
  ]
}

interface Reached {
  value: number
  bar: number
  detail: Detail
  parts?: Detail[]
}

function reached(name: string, { value, bar, detail, parts }: Reached): Row {
  if (value < bar) return { name, status: 'failed', reason: `${value} of ${bar}` }
  return { ...measured(name, name === 'faults' ? 'faults' : 'kills', value, detail), bar, parts }
}

/** An invariant that was broken is no figure: the row says what broke it first. */
function intact(name: Invariant, broken: StormAnswer['broken'][Invariant], evidence: string): Row {
  const [first, second, third, ...more] = broken
  if (first === undefined) return { ...measured(name, units[name], 0, {}), bar: 0 }
  const shown = [first, second, third].filter((line) => line !== undefined).join('; ')
  const rest = more.length === 0 ? '' : `; and ${more.length} more`
  return { name, status: 'failed', reason: `${broken.length}: ${shown}${rest}. Evidence: ${evidence}` }
}

const units: Record<Invariant, string> = {
  lostEvents: 'events',
  doubledEvents: 'events',
  leakedDevices: 'devices',
  leakedProcesses: 'processes',
  unfinishedRuns: 'runs',
  damagedCheckpoints: 'files',
  notBitEqual: 'runs',
  serverFailures: 'servers',
}

function measured(name: string, unit: string, value: number, detail: Detail) {
  const noPeer = { ours: null, peer: null, ratio: null, bar: null }
  return { name, status: 'measured' as const, unit, ...noPeer, value, detail }
}
