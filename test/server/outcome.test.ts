// How an attempt has ended, what becomes of its run, and when it is tried again: pure decisions.
import { expect, test } from 'vitest'
import { judgeOutcome, type TrainerEnd } from '../../src/server/scheduling/outcome.ts'
import { backoffMs, canPass, type FailureCause, retryWaitMs } from '../../src/server/scheduling/retry.ts'
import { TrainqlError } from '../../src/shared/errors.ts'
import type { TrainerEvent } from '../../src/shared/events.ts'
import type { RetryPolicy } from '../../src/shared/run-spec.ts'

const event = (fields: Record<string, unknown>): TrainerEvent =>
  ({ run: 'r', attempt: 1, seq: 9, at: '2025-01-01T00:00:00.000Z', ...fields }) as TrainerEvent
const policy: RetryPolicy = { maxAttempts: 1, backoffSeconds: 10, unreachableSeconds: 600, stalledSeconds: null }
const now = new Date('2025-01-01T00:00:00.000Z')
const killed: TrainerEnd = {
  lastEvent: event({ type: 'step' }),
  step: 12,
  checkpoint: '1-00000010',
  exitRecord: null,
  exit: { code: null, signal: 'SIGKILL' },
  output: '',
  refusal: null,
  asked: null,
  retry: { policy, tries: 1, now },
}
const failure = { message: 'm', fix: 'f', step: 3, nonFinite: false }
const full = event({ type: 'failed', code: 'DISK_FULL', ...failure })
const silent = new TrainqlError({ code: 'TRAINER_UNREACHABLE', message: 'silent', fix: 'look' })
const invalid = new TrainqlError({ code: 'RUN_DIRECTORY_INVALID', message: 'no line', fix: 'look' })
const stopped = event({ type: 'stopped' })
const retry = (tries: number): TrainerEnd['retry'] => ({ policy: { ...policy, maxAttempts: 3 }, tries, now })

test.each<[what: string, end: Partial<TrainerEnd>, expected: Record<string, unknown>]>([
  ['finished', { lastEvent: event({ type: 'finished' }) }, { type: 'succeeded' }],
  [
    'finished before the wish to cancel reached it',
    { lastEvent: event({ type: 'finished' }), asked: 'CANCEL' },
    { type: 'succeeded' },
  ],
  [
    'finished before the wish to pause reached it',
    { lastEvent: event({ type: 'finished' }), asked: 'USER' },
    { type: 'succeeded' },
  ],
  ['stopped because it was told to', { lastEvent: stopped, asked: 'CANCEL' }, { type: 'canceled' }],
  ['killed because it did not listen', { asked: 'CANCEL' }, { type: 'canceled' }],
  [
    'stopped to be paused',
    { lastEvent: stopped, asked: 'USER', exit: { code: 143, signal: null } },
    { type: 'paused', reason: 'USER', checkpoint: '1-00000010' },
  ],
  [
    'killed because it did not listen, to be paused',
    { asked: 'DRAIN', checkpoint: null },
    { type: 'paused', reason: 'DRAIN', checkpoint: null },
  ],
  [
    'told to stop before it could listen',
    { asked: 'USER', lastEvent: null, exit: { code: null, signal: 'SIGTERM' } },
    { type: 'paused' },
  ],
  [
    'out of reach while it was to be paused',
    { asked: 'USER', refusal: { cause: 'GIVEN_UP', error: silent } },
    { type: 'paused' },
  ],
  ['stopped to make room', { lastEvent: stopped, asked: 'YIELD' }, { type: 'yielded', checkpoint: '1-00000010' }],
  [
    'crashed while it was to be paused',
    { asked: 'USER', exit: { code: 70, signal: null }, retry: retry(1) },
    { type: 'runFailed', code: 'TRAINER_DIED' },
  ],
  ['failed by its own word', { lastEvent: full }, { type: 'runFailed', code: 'DISK_FULL', ...failure }],
  [
    'failed while it was to be paused',
    { lastEvent: full, asked: 'USER', retry: retry(1) },
    { type: 'runFailed', code: 'DISK_FULL' },
  ],
  [
    'wrote what no trainer writes, and then that it finished',
    { lastEvent: event({ type: 'finished' }), refusal: { cause: 'INVALID_LOG', error: invalid }, retry: retry(1) },
    { type: 'runFailed', code: 'RUN_DIRECTORY_INVALID', message: 'no line', step: 12 },
  ],
  [
    'killed',
    {},
    {
      type: 'runFailed',
      code: 'TRAINER_DIED',
      message: 'The trainer process was killed by SIGKILL after step 12, with the checkpoint 1-00000010.',
      step: 12,
    },
  ],
  [
    'killed, with attempts left',
    { retry: retry(1) },
    {
      type: 'retryScheduled',
      code: 'TRAINER_DIED',
      message: 'The trainer process was killed by SIGKILL after step 12, with the checkpoint 1-00000010.',
      step: 12,
      checkpoint: '1-00000010',
      notBefore: '2025-01-01T00:00:10.000Z',
    },
  ],
  ['killed, a second time', { retry: retry(2) }, { type: 'retryScheduled', notBefore: '2025-01-01T00:00:20.000Z' }],
  ['killed, a third time of three', { retry: retry(3) }, { type: 'runFailed' }],
  ['killed, with attempts left, and canceled', { retry: retry(1), asked: 'CANCEL' }, { type: 'canceled' }],
  [
    'out of disk, with attempts left',
    { lastEvent: full, retry: retry(1) },
    { type: 'retryScheduled', code: 'DISK_FULL' },
  ],
  [
    'silent for too long',
    { exit: null, refusal: { cause: 'GIVEN_UP', error: silent } },
    { type: 'runFailed', code: 'TRAINER_UNREACHABLE', message: 'silent', step: 12 },
  ],
  [
    'silent for too long, though it had finished',
    { lastEvent: event({ type: 'finished' }), refusal: { cause: 'GIVEN_UP', error: silent } },
    { type: 'succeeded' },
  ],
  [
    'stopped by someone else',
    { lastEvent: stopped, exit: { code: 143, signal: null } },
    { code: 'TRAINER_DIED', message: expect.stringContaining('told to stop by someone other than the server') },
  ],
  [
    'gone before its first event, seen by a restarted server',
    { lastEvent: null, step: 0, checkpoint: null, exit: null, output: 'boom' },
    {
      message:
        'The trainer process died without an exit record (killed, or the machine restarted) before its first step, with no checkpoint. Its last output: boom',
      step: null,
    },
  ],
  [
    'gone with an exit record, seen by a restarted server',
    { exit: null, exitRecord: { code: 70, at: '2025-01-01T00:00:00.000Z' }, retry: retry(1) },
    {
      type: 'runFailed',
      message: expect.stringContaining('exited with code 70'),
      fix: expect.stringContaining('report what it says'),
    },
  ],
])('a trainer that %s', (_what, end, expected) => {
  expect(judgeOutcome({ ...killed, ...end })).toMatchObject(expected)
})

const died = (signal: string | null, code: number | null): FailureCause => ({ kind: 'DIED', signal, code })
const told = (code: string): FailureCause => ({ kind: 'TOLD', code })

test.each<[cause: FailureCause, passes: boolean]>([
  ...(['DISK_FULL', 'ENGINE_UNAVAILABLE', 'DEVICE_UNAVAILABLE', 'NETWORK'] as const).map(
    (code): [FailureCause, boolean] => [told(code), true],
  ),
  ...(['NON_FINITE_LOSS', 'OUT_OF_MEMORY', 'INVALID_INPUT', 'DATASET_INVALID', 'DATASET_NOT_FOUND'] as const).map(
    (code): [FailureCause, boolean] => [told(code), false],
  ),
  [told('CHECKPOINT_INVALID'), false],
  [told('ENGINE_FAILED'), false],
  [told('INTERNAL'), false],
  [{ kind: 'STOPPED' }, true],
  [{ kind: 'NOT_STARTED' }, true],
  [{ kind: 'GIVEN_UP' }, true],
  [{ kind: 'INVALID_LOG' }, false],
  [died('SIGKILL', null), true],
  [died('SIGTERM', null), true],
  [died('SIGHUP', null), true],
  [died(null, null), true],
  [died('SIGSEGV', null), false],
  [died('SIGABRT', null), false],
  [died(null, 70), false],
  [died(null, 2), false],
  [died(null, 4), false],
  [died(null, 7), false],
  [died(null, 0), false],
  [died(null, 5), true],
  [died(null, 3), true],
  [died(null, 143), true],
])('%o may pass: %s', (cause, passes) => {
  expect(canPass(cause)).toBe(passes)
})

test('the back-off doubles up to a day, and a clock that was set back lets no run wait longer than its policy says', () => {
  expect([1, 2, 3, 5].map((tries) => backoffMs(policy, tries))).toEqual([10_000, 20_000, 40_000, 160_000])
  expect(backoffMs(policy, 100)).toBe(86_400_000)
  expect(backoffMs({ ...policy, backoffSeconds: 0 }, 3)).toBe(0)
  const later = (seconds: number): Date => new Date(now.getTime() + seconds * 1000)
  expect(retryWaitMs({ notBefore: null, tries: 1 }, policy, now)).toBe(0)
  expect(retryWaitMs({ notBefore: later(7), tries: 1 }, policy, now)).toBe(7_000)
  expect(retryWaitMs({ notBefore: later(-7), tries: 1 }, policy, now)).toBe(0)
  expect(retryWaitMs({ notBefore: later(3600), tries: 2 }, policy, now)).toBe(20_000)
})
