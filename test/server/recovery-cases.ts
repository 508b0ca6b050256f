// Every state of a run and every point at which its server may have died, by what its directory holds then, with what is to
// become of it.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { PauseReason } from '../../src/shared/events.ts'
import { lockFile } from '../../src/shared/run-directory.ts'
import { type Deed, deeds, type WrittenRun } from './written-run.ts'

const { queued, leased, started, step, checkpoint, finished, failed, stopped, released, runFailed } = deeds

/** What a start makes of a run. */
export type Fate = 'readopted' | 'launched' | 'ended' | 'requeued' | 'queued' | 'damaged'
export interface Case {
  name: string
  /** By device, which each case has for itself. */
  deeds: (device: string) => readonly Deed[]
  /** What holds the latest attempt; absent: nothing ever did. */
  trainer?: 'alive' | 'dead'
  exit?: number
  /** What else lies in the directory. */
  prepare?: (run: WrittenRun) => void
  retry?: Record<string, unknown>
  /** How the start counts it; null: it had nothing to do. */
  fate: Fate | null
  /** After the start, once all has come to rest. */
  state: string
  /** `failure.code`. */
  code?: string
  /** Once its trainer, where one runs on, has finished. */
  finally?: string
  /** Its trainer runs on for nobody, and is killed. */
  reaped?: number[]
}

const far = '2999-01-01T00:00:00.000Z'
const asked = { type: 'cancelRequested' } as const
const pause = (reason: PauseReason): Deed => ({ type: 'pauseRequested', reason })
const retry = { maxAttempts: 3, backoffSeconds: 3600 }
const retryScheduled: Deed = {
  ...{ type: 'retryScheduled', code: 'TRAINER_DIED', message: 'It died.', fix: 'Wait.', step: 1 },
  ...{ checkpoint: null, notBefore: far },
}
export const unreachable: Deed = { type: 'unreachable', toAttempt: 1, silentSeconds: 15 }
export const running = (device: string): Deed[] => [queued, leased(device), started, step(1), step(2), step(3)]

/** The disk has changed a letter of that word. */
function damageServers({ directory }: WrittenRun, word: string): void {
  const file = join(directory, 'events.server.jsonl')
  writeFileSync(file, readFileSync(file, 'utf8').replace(word, `${word.slice(0, -1)}_`))
}

export const cases: Case[] = [
  { name: 'QUEUED', deeds: () => [queued], fate: 'queued', state: 'QUEUED' },
  { name: 'QUEUED, asked to cancel', deeds: () => [queued, asked], fate: 'ended', state: 'CANCELED' },
  {
    name: 'QUEUED, its next try to come',
    deeds: (device) => [...running(device), released(device), retryScheduled],
    trainer: 'dead',
    retry,
    fate: 'queued',
    state: 'QUEUED',
  },
  {
    name: 'QUEUED, its attempt written and not leased',
    deeds: () => [queued],
    prepare: (run) => run.writeAttempt(),
    fate: 'queued',
    state: 'QUEUED',
  },
  {
    name: 'QUEUED again by a resumption',
    deeds: (device) => [
      ...running(device),
      released(device),
      runFailed,
      { type: 'resumeRequested', checkpoint: null, devices: { kind: 'NAMED', names: ['cpu:none'] } },
    ],
    trainer: 'dead',
    fate: 'queued',
    state: 'QUEUED',
  },
  {
    name: 'STARTING, leased and not launched',
    deeds: (device) => [queued, leased(device)],
    prepare: (run) => {
      run.writeAttempt()
      writeFileSync(join(run.directory, 'script.txt'), 'started\nsteps 1\nfinish\n')
    },
    fate: 'launched',
    state: 'SUCCEEDED',
  },
  {
    name: 'STARTING, its trainer loading',
    deeds: (device) => [queued, leased(device)],
    trainer: 'alive',
    fate: 'readopted',
    state: 'STARTING',
    finally: 'SUCCEEDED',
  },
  {
    name: 'STARTING, its trainer dead before a word',
    deeds: (device) => [queued, leased(device)],
    trainer: 'dead',
    fate: 'ended',
    state: 'FAILED',
    code: 'TRAINER_DIED',
  },
  {
    name: 'STARTING, its trainer gone with an exit record and no lock',
    deeds: (device) => [queued, leased(device)],
    exit: 2,
    fate: 'ended',
    state: 'FAILED',
    code: 'TRAINER_DIED',
  },
  { name: 'RUNNING', deeds: running, trainer: 'alive', fate: 'readopted', state: 'RUNNING', finally: 'SUCCEEDED' },
  { name: 'RUNNING, dead', deeds: running, trainer: 'dead', fate: 'ended', state: 'FAILED', code: 'TRAINER_DIED' },
  {
    name: 'RUNNING, dead, to be tried again',
    deeds: running,
    trainer: 'dead',
    retry,
    fate: 'requeued',
    state: 'QUEUED',
  },
  {
    name: 'RUNNING, dead, with half a line',
    deeds: running,
    prepare: ({ directory }) => writeFileSync(join(directory, 'events.1.jsonl'), '{"run":"', { flag: 'a' }),
    trainer: 'dead',
    fate: 'ended',
    state: 'FAILED',
    code: 'TRAINER_DIED',
  },
  {
    name: 'RUNNING, dead, with a line that no trainer writes',
    deeds: running,
    prepare: ({ directory }) => writeFileSync(join(directory, 'events.1.jsonl'), '{nonsense\n', { flag: 'a' }),
    trainer: 'dead',
    retry,
    fate: 'ended',
    state: 'FAILED',
    code: 'RUN_DIRECTORY_INVALID',
  },
  {
    name: 'RUNNING, with a damaged line of the server',
    deeds: (device) => [...running(device), unreachable],
    prepare: (run) => damageServers(run, 'unreachable'),
    trainer: 'alive',
    retry,
    fate: 'damaged',
    state: 'FAILED',
    code: 'RUN_DIRECTORY_INVALID',
    reaped: [1],
  },
  {
    name: 'RUNNING, dead, with a damaged lock',
    deeds: running,
    prepare: ({ directory }) => writeFileSync(lockFile(directory, 1), '{'),
    trainer: 'dead',
    retry,
    fate: 'damaged',
    state: 'FAILED',
    code: 'RUN_DIRECTORY_INVALID',
  },
  {
    name: 'PAUSED, with a damaged line of the server',
    deeds: () => [
      queued,
      { type: 'paused', reason: 'USER', checkpoint: null },
      { type: 'resumeRequested', checkpoint: null, devices: null },
    ],
    prepare: (run) => damageServers(run, 'resumeRequested'),
    fate: 'damaged',
    state: 'FAILED',
    code: 'RUN_DIRECTORY_INVALID',
  },
  {
    name: 'RUNNING, finished',
    deeds: (device) => [...running(device), finished],
    trainer: 'dead',
    exit: 0,
    fate: 'ended',
    state: 'SUCCEEDED',
  },
  {
    name: 'RUNNING, failed by its own word',
    deeds: (device) => [...running(device), failed],
    trainer: 'dead',
    exit: 4,
    fate: 'ended',
    state: 'FAILED',
    code: 'NON_FINITE_LOSS',
  },
  {
    name: 'RUNNING, finished and released without a verdict',
    deeds: (device) => [...running(device), finished, released(device)],
    trainer: 'dead',
    exit: 0,
    fate: 'ended',
    state: 'SUCCEEDED',
  },
  {
    name: 'RUNNING, dead and released without a verdict',
    deeds: (device) => [...running(device), released(device)],
    trainer: 'dead',
    fate: 'ended',
    state: 'FAILED',
    code: 'TRAINER_DIED',
  },
  {
    name: 'RUNNING, released without a verdict, its trainer taken for dead',
    deeds: (device) => [...running(device), released(device)],
    trainer: 'alive',
    fate: 'ended',
    state: 'FAILED',
    code: 'TRAINER_DIED',
    reaped: [1],
  },
  {
    name: 'PAUSING, its trainer not told yet',
    deeds: (device) => [...running(device), checkpoint(1, 3), pause('USER')],
    trainer: 'alive',
    fate: 'readopted',
    state: 'PAUSED',
  },
  {
    name: 'PAUSING, its trainer gone as asked',
    deeds: (device) => [...running(device), checkpoint(1, 3), pause('USER'), stopped],
    trainer: 'dead',
    exit: 143,
    fate: 'ended',
    state: 'PAUSED',
  },
  {
    name: 'PAUSING, released without a verdict',
    deeds: (device) => [...running(device), checkpoint(1, 3), pause('USER'), stopped, released(device)],
    trainer: 'dead',
    exit: 143,
    fate: 'ended',
    state: 'PAUSED',
  },
  {
    name: 'PAUSING, come to its end before it was told',
    deeds: (device) => [...running(device), pause('USER'), finished],
    trainer: 'dead',
    exit: 0,
    fate: 'ended',
    state: 'SUCCEEDED',
  },
  {
    name: 'PAUSING to yield',
    deeds: (device) => [...running(device), checkpoint(1, 3), pause('YIELD'), stopped],
    trainer: 'dead',
    exit: 143,
    fate: 'requeued',
    state: 'QUEUED',
  },
  {
    name: 'PAUSED',
    deeds: (device) => [
      ...[...running(device), checkpoint(1, 3), pause('USER'), stopped, released(device)],
      { type: 'paused', reason: 'USER', checkpoint: '1-00000003' },
    ],
    trainer: 'dead',
    exit: 143,
    fate: null,
    state: 'PAUSED',
  },
  {
    name: 'PAUSED, asked to cancel',
    deeds: () => [queued, { type: 'paused', reason: 'USER', checkpoint: null }, asked],
    fate: 'ended',
    state: 'CANCELED',
  },
  {
    name: 'PAUSED by a drain, asked to cancel',
    deeds: (device) => [
      ...[...running(device), checkpoint(1, 3), pause('DRAIN'), stopped, released(device)],
      ...[{ type: 'paused', reason: 'DRAIN', checkpoint: '1-00000003' } as const, asked],
    ],
    trainer: 'dead',
    exit: 143,
    fate: 'ended',
    state: 'CANCELED',
  },
  {
    name: 'PAUSING to be drained, its trainer not told yet',
    deeds: (device) => [...running(device), checkpoint(1, 3), pause('DRAIN')],
    trainer: 'alive',
    fate: 'readopted',
    state: 'QUEUED',
  },
  {
    name: 'PAUSING to be drained, its trainer gone as asked',
    deeds: (device) => [...running(device), checkpoint(1, 3), pause('DRAIN'), stopped],
    trainer: 'dead',
    exit: 143,
    fate: 'requeued',
    state: 'QUEUED',
  },
  {
    name: 'PAUSED by a drain',
    deeds: (device) => [
      ...[...running(device), checkpoint(1, 3), pause('DRAIN'), stopped, released(device)],
      { type: 'paused', reason: 'DRAIN', checkpoint: '1-00000003' },
    ],
    trainer: 'dead',
    exit: 143,
    fate: 'requeued',
    state: 'QUEUED',
  },
  {
    name: 'CANCELING, its trainer not told yet',
    deeds: (device) => [...running(device), asked],
    trainer: 'alive',
    fate: 'readopted',
    state: 'CANCELED',
  },
  {
    name: 'CANCELING, its trainer gone as asked',
    deeds: (device) => [...running(device), asked, stopped],
    trainer: 'dead',
    exit: 143,
    fate: 'ended',
    state: 'CANCELED',
  },
  {
    name: 'CANCELING, released without a verdict',
    deeds: (device) => [...running(device), asked, stopped, released(device)],
    trainer: 'dead',
    exit: 143,
    fate: 'ended',
    state: 'CANCELED',
  },
  {
    name: 'CANCELING before its trainer was launched',
    deeds: (device) => [queued, leased(device), asked],
    fate: 'ended',
    state: 'CANCELED',
  },
  {
    name: 'CANCELING, come to its end before it was told',
    deeds: (device) => [...running(device), asked, finished],
    trainer: 'dead',
    exit: 0,
    fate: 'ended',
    state: 'SUCCEEDED',
  },
  {
    name: 'UNREACHABLE',
    deeds: (device) => [...running(device), unreachable],
    trainer: 'alive',
    fate: 'readopted',
    state: 'UNREACHABLE',
    finally: 'SUCCEEDED',
  },
  {
    name: 'UNREACHABLE, dead',
    deeds: (device) => [...running(device), unreachable],
    trainer: 'dead',
    fate: 'ended',
    state: 'FAILED',
    code: 'TRAINER_DIED',
  },
  {
    name: 'FAILED, given up while its trainer lives, with no fence',
    deeds: (device) => [...running(device), unreachable, released(device), runFailed],
    trainer: 'alive',
    fate: null,
    state: 'FAILED',
    code: 'TRAINER_DIED',
    reaped: [1],
  },
  {
    name: 'CANCELED while its trainer lives',
    deeds: (device) => [...running(device), asked, released(device), { type: 'canceled' }],
    trainer: 'alive',
    fate: null,
    state: 'CANCELED',
    reaped: [1],
  },
  {
    name: 'SUCCEEDED',
    deeds: (device) => [...running(device), finished, released(device), { type: 'succeeded' }],
    trainer: 'dead',
    exit: 0,
    fate: null,
    state: 'SUCCEEDED',
  },
]
