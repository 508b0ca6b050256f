// The trainer as a process, on the best engine of this machine: its files, its exit codes, its signals, its death.
import { existsSync, readdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import type { TrainerEvent } from '../../src/shared/events.ts'
import { processState } from '../../src/shared/process-identity.ts'
import { parseExitRecord, parseHeartbeat, parseLockRecord } from '../../src/shared/run-directory.ts'
import { loadResumable } from '../../src/trainer/checkpoints/load.ts'
import type { Manifest } from '../../src/trainer/checkpoints/manifest.ts'
import { probeNativeEngine } from '../../src/trainer/engines/native.ts'
import { runInProcess } from './fixtures/run-in-process.ts'
import { onSmallDisk, skipWithoutSmallDisk, smallDisk } from './fixtures/small-disk.ts'
import { suiteFolder, temporaryFolder } from './fixtures/temporary-folder.ts'
import {
  checkpointNames,
  manifestOf,
  readEvents,
  readJson,
  resumeFrom,
  runAttempt,
  startTrainer,
  trainerEntry,
  waitForEvent,
  writeAttempt,
  writeRun,
} from './fixtures/trainer-process.ts'

const wholeRun = 'started step step step step epoch checkpoint step step step step epoch checkpoint finished'

function types(directory: string, attempt = 1): string {
  return readEvents(directory, attempt)
    .map(({ type }) => type)
    .join(' ')
}

function exitRecord(directory: string, attempt = 1): { code: number; signal?: string } {
  const { code, signal } = parseExitRecord(readJson(directory, `exit.${attempt}.json`))
  return signal === undefined ? { code } : { code, signal }
}

describe('a run to its end', () => {
  const parent = suiteFolder()
  let directory: string
  let straightFiles: Manifest['files']
  let code: number | NodeJS.Signals
  let output: string
  beforeAll(async () => {
    directory = writeRun(parent)
    writeAttempt(directory, 1)
    ;({ code, output } = await runAttempt(directory))
    straightFiles = manifestOf(directory, '1-00000008').files
  })

  test('leaves its events, two verified checkpoints, a heartbeat and an exit record', async () => {
    expect(code).toBe(0)
    expect(types(directory)).toBe(wholeRun)
    expect(readEvents(directory).map(({ seq }) => seq)).toEqual(Array.from({ length: 14 }, (_, index) => index + 1))
    expect(checkpointNames(directory)).toEqual(['1-00000004', '1-00000008'])
    for (const name of checkpointNames(directory)) {
      const { manifest } = await loadResumable(join(directory, 'checkpoints', name))
      const event = readEvents(directory).find((entry) => entry.type === 'checkpoint' && entry.name === name)
      expect(event).toMatchObject({ sha256: manifest.files['model.safetensors'].sha256, step: manifest.step })
      expect(JSON.stringify(manifest)).not.toContain('cpu:0')
      // With its kernel table, where the engine is native: what the bits depend on.
      const [started] = readEvents(directory)
      const { name: engine, detail: engineDetail } = manifest.training.engine
      expect(started).toMatchObject({ engine, engineDetail })
      if (engine === 'native') expect(engineDetail).toMatch(/^\w+, kernel table [0-9a-f]{8}$/)
    }
    expect(parseHeartbeat(readJson(directory, 'heartbeat.1.json'))).toMatchObject({ run: 'run-1', attempt: 1 })
    expect(processState(parseLockRecord(readJson(directory, 'lock.1')))).toBe('dead')
    expect(exitRecord(directory)).toEqual({ code: 0 })
    expect(readdirSync(directory).sort()).toEqual([
      'attempt.1.json',
      'checkpoints',
      'events.1.jsonl',
      'exit.1.json',
      'heartbeat.1.json',
      'lock.1',
      'spec.json',
    ])
    expect(output).toMatch(/^\S+Z dataset shapes: 12000 training and 2000 validation images\n\S+Z engine /)
  })

  test('once a newer attempt is there it is not begun, and nothing is written', async () => {
    const fenced = writeRun(temporaryFolder())
    writeAttempt(fenced, 1)
    writeAttempt(fenced, 2)
    const before = readdirSync(fenced)
    const late = await runAttempt(fenced)
    expect(late).toMatchObject({ code: 8, output: expect.stringMatching(/Attempt 1 is over: a newer one/) as string })
    expect(readdirSync(fenced)).toEqual(before)
  })

  test('fenced while it trains it leaves at once, without a checkpoint and without a word in its log', async () => {
    const fenced = writeRun(temporaryFolder(), { epochs: 10_000 })
    writeAttempt(fenced, 1)
    const trainer = startTrainer(fenced, '1')
    await waitForEvent(fenced, ({ type }) => type === 'checkpoint')
    writeFileSync(join(fenced, 'fence.1.json'), JSON.stringify({ attempt: 1, seq: 1 }))
    const announced = readEvents(fenced).filter(({ type }) => type === 'checkpoint').length
    expect(await trainer.ended).toBe(8)
    expect(exitRecord(fenced)).toEqual({ code: 8 })
    const events = readEvents(fenced)
    expect(events.map(({ type }) => type).filter((type) => !/^(started|step|epoch|checkpoint)$/.test(type))).toEqual([])
    // What it had begun before the fence was there it may have finished.
    const names = events.flatMap((event) => (event.type === 'checkpoint' ? [event.name] : []))
    expect(checkpointNames(fenced)).toEqual(names)
    expect(names.length).toBeLessThanOrEqual(announced + 1)
  })

  test('whose directory is removed while it trains leaves by itself, and makes none anew', async () => {
    const removed = writeRun(temporaryFolder(), { epochs: 10_000 })
    writeAttempt(removed, 1)
    const trainer = startTrainer(removed, '1')
    await waitForEvent(removed, ({ type }) => type === 'step')
    const away = `${removed}.away`
    renameSync(removed, away)
    expect(await trainer.ended).toBe(8)
    expect(existsSync(removed)).toBe(false)
    expect(existsSync(join(away, 'exit.1.json'))).toBe(false)
  })

  test('is refused a second time, and nothing of it changes', async () => {
    const before = types(directory)
    const again = await runAttempt(directory)
    expect(again).toMatchObject({
      code: 6,
      output: expect.stringMatching(/^CONFLICT: Attempt 1 already belongs to process \d+/) as string,
    })
    expect(types(directory)).toBe(before)
    expect(exitRecord(directory)).toEqual({ code: 0 })
  })

  test('told to stop twice takes one checkpoint and says so; the next attempt ends with the same bytes', async () => {
    const stopped = writeRun(temporaryFolder())
    writeAttempt(stopped, 1)
    const trainer = startTrainer(stopped, '1')
    await waitForEvent(stopped, ({ type }) => type === 'step')
    trainer.child.kill('SIGTERM')
    trainer.child.kill('SIGTERM')
    await waitForEvent(stopped, ({ type }) => type === 'checkpoint' || type === 'stopped')
    trainer.child.kill('SIGTERM')
    expect(await trainer.ended).toBe(143)
    expect(exitRecord(stopped)).toEqual({ code: 143, signal: 'SIGTERM' })
    const last = readEvents(stopped).at(-1)
    if (last?.type !== 'stopped' || last.lastCheckpoint === null) throw new Error(`ended with ${JSON.stringify(last)}`)
    expect(checkpointNames(stopped)).toContain(last.lastCheckpoint)
    expect(manifestOf(stopped, last.lastCheckpoint).step).toBe(last.step)
    expect(readEvents(stopped).filter(({ type }) => type === 'stopped')).toHaveLength(1)

    writeAttempt(stopped, 2, resumeFrom(stopped, last.lastCheckpoint))
    expect((await runInProcess(stopped, 2)).outcome).toBe('finished')
    expect(manifestOf(stopped, '2-00000008').files).toEqual(straightFiles)
  })

  test('killed at any time leaves whole checkpoints only, and the next attempt ends with the same bytes', async () => {
    const killed = writeRun(temporaryFolder())
    writeAttempt(killed, 1)
    const trainer = startTrainer(killed, '1')
    // The first checkpoint is whole; the second is being written when its epoch's event is there.
    await waitForEvent(killed, (event) => event.type === 'epoch' && event.epoch === 2)
    trainer.child.kill('SIGKILL')
    expect(await trainer.ended).toBe('SIGKILL')
    expect(existsSync(join(killed, 'exit.1.json'))).toBe(false)
    expect(processState(parseLockRecord(readJson(killed, 'lock.1')))).toBe('dead')
    const whole = checkpointNames(killed).filter((name) => !name.startsWith('.tmp-'))
    expect(whole).toContain('1-00000004')
    for (const name of whole) await loadResumable(join(killed, 'checkpoints', name))
    for (const event of readEvents(killed)) if (event.type === 'checkpoint') expect(whole).toContain(event.name)

    writeAttempt(killed, 2, resumeFrom(killed, '1-00000004'))
    expect((await runInProcess(killed, 2)).outcome).toBe('finished')
    expect(manifestOf(killed, '2-00000008').files).toEqual(straightFiles)
    expect(checkpointNames(killed)).toEqual([...whole, '2-00000008'])
  })

  test('asked for a checkpoint writes it within the epoch', async () => {
    const asked = writeRun(temporaryFolder(), { epochs: 1, trainImages: 160 })
    writeAttempt(asked, 1)
    const trainer = startTrainer(asked, '1')
    await waitForEvent(asked, ({ type }) => type === 'step')
    trainer.child.kill('SIGUSR2')
    expect(await trainer.ended).toBe(0)
    const checkpoints = readEvents(asked).flatMap((event) => (event.type === 'checkpoint' ? [event] : []))
    expect(checkpoints).toHaveLength(2)
    expect(checkpoints[0]).toMatchObject({ epoch: 0 })
    expect(checkpoints[0]?.step).toBeLessThan(20)
    expect(checkpoints[1]).toMatchObject({ epoch: 1, step: 20 })
  })

  test('on two devices ends with the same bytes', async () => {
    const parallel = writeRun(temporaryFolder())
    const devices = [0, 1].map((index) => ({ kind: 'CPU', name: `cpu:${index}`, cores: [0] }))
    writeAttempt(parallel, 1, { devices })
    expect((await runInProcess(parallel, 1)).outcome).toBe('finished')
    expect(readEvents(parallel)[0]).toMatchObject({ type: 'started', devices: ['cpu:0', 'cpu:1'] })
    expect(manifestOf(parallel, '1-00000008').files).toEqual(straightFiles)
  })

  test('that takes its shards in turn ends with the same bytes as one that has as many', async () => {
    const accumulating = writeRun(temporaryFolder(), { shards: 1, accumulationSteps: 2 })
    writeAttempt(accumulating, 1)
    expect((await runInProcess(accumulating, 1)).outcome).toBe('finished')
    expect(readEvents(accumulating)[0]).toMatchObject({ type: 'started', shards: 1, accumulationSteps: 2 })
    expect(manifestOf(accumulating, '1-00000008').files).toEqual(straightFiles)
  })

  test('that diverges fails at the step, and no checkpoint holds its weights', async () => {
    const diverging = writeRun(temporaryFolder(), { learningRate: 1e30 })
    writeAttempt(diverging, 1)
    expect((await runAttempt(diverging)).code).toBe(4)
    expect(exitRecord(diverging)).toEqual({ code: 4 })
    const last = readEvents(diverging).at(-1)
    expect(last).toMatchObject({ type: 'failed', code: 'NON_FINITE_LOSS', nonFinite: true, lastCheckpoint: null })
    expect(last?.type === 'failed' && last.step).toBeGreaterThan(0)
    expect(checkpointNames(diverging)).toEqual([])
  })
})

describe('a disk too small', () => {
  /** Runs attempt 1 there: exit code, events, exit record, names of checkpoints, and whether the last one is whole. */
  function runOnSmallDisk(mebibytes: number, spec: Record<string, unknown>): unknown[] {
    const directory = writeRun(temporaryFolder(), spec)
    writeAttempt(directory, 1)
    const run = `${smallDisk}/run-1`
    const text = onSmallDisk({
      mebibytes,
      command: [
        `cp -r ${directory} ${run}`,
        `${trainerEntry.join(' ')} ${run} 1 >&2; echo "[$?"`,
        `sed 's/^/,/' ${run}/events.1.jsonl; echo ,`,
        `cat ${run}/exit.1.json; echo ']'`,
        `ls -A ${run}/checkpoints`,
        `cd ${run}/checkpoints/1-00000004 && sha256sum model.safetensors; true`,
      ].join(' && '),
    })
    const [json = '', listing = ''] = text.split('\n]\n')
    return [...(JSON.parse(`${json}]`) as unknown[]), listing.trim()]
  }

  test('for the log and a checkpoint: DISK_FULL before the first step, with the bytes, in the log and the exit record', (context) => {
    skipWithoutSmallDisk(context)
    expect(runOnSmallDisk(40, {})).toMatchObject([
      5,
      {
        type: 'failed',
        code: 'DISK_FULL',
        message: expect.stringMatching(
          /^Expected \d{9} bytes of room in .* for the run's log and a checkpoint; \d{8} are free\.$/,
        ) as string,
        fix: expect.stringMatching(/^Free \d{8,9} bytes, or keep fewer checkpoints\.$/) as string,
        step: null,
        lastCheckpoint: null,
      },
      { code: 5 },
      '',
    ])
  })

  test('for a second checkpoint: the event names the bytes, the first one stays whole, and training goes on', (context) => {
    skipWithoutSmallDisk(context)
    // A checkpoint of SGD takes 89 MB; the last one must be written, so it fails the run.
    const optimizer = { kind: 'SGD' }
    const checkpoints = { onDiskFull: 'CONTINUE' }
    const [code, ...rest] = runOnSmallDisk(120, { optimizer, epochs: 3, checkpoints })
    const listing = rest.pop() as string
    const exit = rest.pop()
    const events = rest as TrainerEvent[]
    expect(code).toBe(5)
    const epoch = 'step step step step epoch'
    expect(events.map(({ type }) => type).join(' ')).toBe(
      `started ${epoch} checkpoint ${epoch} checkpointFailed ${epoch} checkpointFailed failed`,
    )
    const failed = {
      code: 'DISK_FULL',
      message: expect.stringMatching(
        /^Expected \d{8} bytes of room in .* for the checkpoint 1-000000(08|12); \d{8} are free\.$/,
      ) as string,
    }
    expect(events.filter(({ type }) => type === 'checkpointFailed')).toMatchObject([
      { name: '1-00000008', epoch: 2, step: 8, ...failed },
      { name: '1-00000012', epoch: 3, step: 12, ...failed },
    ])
    expect(events.at(-1)).toMatchObject({ ...failed, step: 12, lastCheckpoint: '1-00000004' })
    expect(exit).toMatchObject({ code: 5 })
    const [first] = events.flatMap((event) => (event.type === 'checkpoint' ? [event] : []))
    expect(listing).toBe(`1-00000004\n${first?.sha256}  model.safetensors`)
  })
})

describe('a precision that the engine does not compute in here', () => {
  test.each([
    [
      'AUTO',
      probeNativeEngine().available ? /^The native engine \(portable, kernel table/ : /^The TensorFlow\.js engine/,
    ],
    ['NATIVE', /^The native engine/],
  ])('the engine %s: a failed event and exit code 3', async (engine, message) => {
    // Kernels without bfloat16, on any processor.
    vi.stubEnv('TRAINQL_ISA', 'portable')
    const directory = writeRun(temporaryFolder(), { precision: 'BF16', engine })
    writeAttempt(directory, 1)
    expect((await runAttempt(directory)).code).toBe(3)
    expect(readEvents(directory)).toMatchObject([
      { type: 'failed', code: 'ENGINE_UNAVAILABLE', message: expect.stringMatching(message) as string, step: null },
    ])
  })
})

describe('input that cannot be used', () => {
  test.each([[[]], [['/nowhere/at/all', '1']], [['.', 'one']]])(
    'the arguments %j: exit code 2 and how to call it',
    async (args) => {
      const trainer = startTrainer(...args)
      expect(await trainer.ended).toBe(2)
      expect(trainer.output()).toMatch(/^Usage: main <runDirectory> <attempt>/)
    },
  )

  test('an unknown dataset: a failed event, the log and exit code 2', async () => {
    const directory = writeRun(temporaryFolder(), { dataset: 'nothing' })
    writeAttempt(directory, 1)
    const { code, output } = await runAttempt(directory)
    expect(code).toBe(2)
    expect(exitRecord(directory)).toEqual({ code: 2 })
    expect(readEvents(directory)).toMatchObject([
      {
        run: 'run-1',
        attempt: 1,
        seq: 1,
        type: 'failed',
        code: 'DATASET_NOT_FOUND',
        step: null,
        nonFinite: false,
        lastCheckpoint: null,
      },
    ])
    expect(output).toMatch(/^DATASET_NOT_FOUND: There is no dataset "nothing"/)
  })
})
