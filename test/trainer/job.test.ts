// From a run directory to a training job: everything that cannot be used is refused before training.
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { openJob } from '../../src/trainer/job.ts'
import { createProgress } from '../../src/trainer/progress.ts'
import { temporaryFolder } from './fixtures/temporary-folder.ts'
import { writeAttempt, writeRun } from './fixtures/trainer-process.ts'

function open(directory: string): ReturnType<typeof openJob> {
  return openJob({
    directory,
    attempt: 1,
    progress: createProgress(),
    onDecoding: () => undefined,
    onDamaged: () => undefined,
    stop: new AbortController().signal,
    say: () => undefined,
  })
}

describe('openJob', () => {
  const nothing = '0'.repeat(64)
  test.each<
    [what: string, spec: Record<string, unknown>, attempt: Record<string, unknown>, error: Record<string, unknown>]
  >([
    ['shards that do not divide the batch', { shards: 16 }, {}, { code: 'INVALID_INPUT', field: 'globalBatch' }],
    ['a negative learning rate', { learningRate: -1 }, {}, { code: 'INVALID_INPUT', field: 'learningRate' }],
    ['the attempt of another run', {}, { runId: 'other' }, { code: 'RUN_DIRECTORY_INVALID' }],
    ['another attempt', {}, { attempt: 2 }, { code: 'RUN_DIRECTORY_INVALID' }],
    ['the spec of another run', { runId: 'other' }, {}, { code: 'RUN_DIRECTORY_INVALID' }],
    [
      'more devices than shards',
      {},
      { devices: [0, 1, 2, 3].map((core) => ({ kind: 'CPU', name: `cpu:${core}`, cores: [0] })) },
      { code: 'INVALID_INPUT', message: 'Expected 1, 2 devices for 2 shards; got 4.' },
    ],
    ['an unknown dataset', { dataset: 'nothing' }, {}, { code: 'DATASET_NOT_FOUND', field: 'dataset' }],
    [
      'a checkpoint that is not there',
      {},
      { resumeFrom: { name: '1-00000004', sha256: nothing } },
      { code: 'CHECKPOINT_INVALID' },
    ],
    [
      'a checkpoint outside the run',
      {},
      { resumeFrom: { name: '../../other', sha256: nothing } },
      {
        code: 'CHECKPOINT_INVALID',
        message: `Cannot resume: expected a checkpoint's name such as 1-00000235; found "../../other".`,
      },
    ],
  ])('refuses %s', async (_, spec, attempt, error) => {
    const directory = writeRun(temporaryFolder(), spec)
    writeAttempt(directory, 1, attempt)
    await expect(open(directory)).rejects.toMatchObject(error)
  })

  test('refuses a missing and a torn spec', async () => {
    const directory = writeRun(temporaryFolder())
    writeAttempt(directory, 1)
    const spec = join(directory, 'spec.json')
    rmSync(spec)
    await expect(open(directory)).rejects.toMatchObject({
      code: 'RUN_DIRECTORY_INVALID',
      message: expect.stringContaining(`${spec}: expected a JSON file; ENOENT`) as string,
    })
    writeFileSync(spec, '{"runId":')
    await expect(open(directory)).rejects.toMatchObject({ code: 'RUN_DIRECTORY_INVALID' })
    expect(existsSync(join(directory, 'checkpoints'))).toBe(false)
  })

  test('leaves the half-written checkpoint of an attempt that may still live', async () => {
    const directory = writeRun(temporaryFolder(), { dataset: 'nothing' })
    writeAttempt(directory, 1)
    const half = join(directory, 'checkpoints', '.tmp-1-00000004')
    mkdirSync(half, { recursive: true })
    await expect(open(directory)).rejects.toMatchObject({ code: 'DATASET_NOT_FOUND' })
    expect(existsSync(half)).toBe(true)
  })
})
