// Devices that are taken out of service under real runs and put back into it, by users and by their own faults, over restarts
// of the server.
import { existsSync } from 'node:fs'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import type { RunningServer } from '../../src/server/start.ts'
import { lockFile } from '../../src/shared/run-directory.ts'
import { change, deviceOf } from './device-views.ts'
import { act } from './run-actions.ts'
import { courseOfTypes, endOf, expectAsUndisturbed, type RunAccount } from './run-account.ts'
import { createRun, type CreatedRun, makeFolder, query, removeFolder, startTestServer, waitForEvent } from './server.ts'
import { trainerPid } from './trainer-pid.ts'

/** Long enough for something to come in between. */
const long = { epochs: 3, trainImages: 512 }
const short = { epochs: 1 }
const onFirst = { devices: { names: ['cpu:0'] } }

let home: string
let server: RunningServer
let undisturbed: RunAccount

const start = (): Promise<RunningServer> => startTestServer(home, { trainersOnExit: 'LEAVE' })

async function restart(): Promise<void> {
  await server.close()
  server = await start()
}

beforeAll(async () => {
  home = await makeFolder()
  server = await start()
})
afterAll(async () => {
  await server.close()
  await removeFolder(home)
})

async function waitingFor({ id }: CreatedRun): Promise<unknown> {
  const text = 'query ($id: ID!) { run(id: $id) { state waitingFor } }'
  return (await query<{ run: unknown }>(server.url, text, { id })).run
}

test('drained, a device lets its run end and takes no other one, until it is enabled', async () => {
  const run = await createRun(server.url, { ...long, ...onFirst })
  await waitForEvent(server.url, run.id, 'StartedEvent')
  const drained = await change(server.url, 'drainDevice', 'cpu:0', 'new fans')
  expect(drained.device).toEqual({
    ...{ name: 'cpu:0', state: 'LEASED', availability: 'DRAINING', availabilityReason: 'new fans' },
    ...{ availabilitySince: expect.any(String) as string, run: { id: run.id } },
  })
  const next = await createRun(server.url, { ...short, ...onFirst })
  const waits = { state: 'QUEUED', waitingFor: 'cpu:0 is being drained (new fans)' }
  expect(next).toMatchObject(waits)
  const elsewhere = await createRun(server.url, short)
  expect(elsewhere).toMatchObject({ state: 'STARTING', deviceNames: ['cpu:1'] })

  await restart()
  const { availability, availabilityReason, availabilitySince } = drained.device ?? {}
  const stays = { availability, availabilityReason, availabilitySince }
  expect(await deviceOf(server.url, 'cpu:0')).toMatchObject(stays)
  undisturbed = await endOf(server.url, run)
  expect(undisturbed.events.filter(({ type }) => /Pause|Leased/.test(type)).map(({ type }) => type)).toEqual(['Leased'])
  expect(undisturbed.state).toBe('SUCCEEDED')
  expect(await deviceOf(server.url, 'cpu:0')).toMatchObject({ ...stays, state: 'FREE' })
  expect(await waitingFor(next)).toEqual(waits)

  const enabled = await change(server.url, 'enableDevice', 'cpu:0')
  expect(enabled.device).toMatchObject({ availability: 'ACTIVE', availabilityReason: null, run: { id: next.id } })
  expect((await endOf(server.url, next)).state).toBe('SUCCEEDED')
})

test('disabled, a device has its run go on elsewhere as if nothing had been, and stays so', async () => {
  const run = await createRun(server.url, long)
  await waitForEvent(server.url, run.id, 'StepEvent', 2)
  const disabled = await change(server.url, 'disableDevice', 'cpu:0', 'smoke')
  expect(disabled.device).toMatchObject({ availability: 'DISABLED', availabilityReason: 'smoke' })
  const account = await endOf(server.url, run)
  expect(account.events.flatMap(({ devices, reason }) => devices ?? reason ?? [])).toEqual([
    ...['cpu:0', 'YIELD', 'cpu:1'],
  ])
  expect(account.tries).toBe(1)
  expectAsUndisturbed(account, undisturbed)

  await restart()
  expect(await deviceOf(server.url, 'cpu:0')).toEqual({ ...disabled.device, state: 'FREE', run: null })
  const next = await createRun(server.url, onFirst)
  expect(next).toMatchObject({ state: 'QUEUED', waitingFor: 'cpu:0 is disabled (smoke)' })
  await act(server.url, 'CANCEL', next)
  await change(server.url, 'enableDevice', 'cpu:0')
})

/** Its trainer dies as one whose engine touches memory that is not there. */
async function crash(run: CreatedRun): Promise<RunAccount> {
  await vi.waitFor(() => expect(existsSync(lockFile(run.directory, 1))).toBe(true), { timeout: 30_000, interval: 5 })
  process.kill(trainerPid(run), 'SIGSEGV')
  return endOf(server.url, run)
}

test('on which three trainers in a row died of a fault, a device is in quarantine, and stays so until it is enabled', async () => {
  const onSecond = { ...short, devices: { names: ['cpu:1'] } }
  for (let death = 1; death <= 3; death += 1) {
    expect(await deviceOf(server.url, 'cpu:1')).toMatchObject({ availability: 'ACTIVE' })
    const account = await crash(await createRun(server.url, onSecond))
    expect(courseOfTypes(account)).toEqual(['Queued', 'Leased', 'Released', 'RunEnded'])
    expect(account).toMatchObject({ state: 'FAILED', events: [{}, {}, { type: 'Released', fault: 'SIGSEGV' }, {}] })
  }
  const quarantined = await deviceOf(server.url, 'cpu:1')
  expect(quarantined).toMatchObject({
    state: 'FREE',
    availability: 'QUARANTINED',
    availabilityReason: expect.stringMatching(
      /^3 trainers in a row died on it: (attempt 1 of run \S+ by SIGSEGV(, )?){3}$/,
    ) as string,
  })
  const waiting = await createRun(server.url, onSecond)
  const waits = { state: 'QUEUED', waitingFor: `cpu:1 is in quarantine (${quarantined.availabilityReason})` }
  expect(waiting).toMatchObject(waits)

  await restart()
  expect(await deviceOf(server.url, 'cpu:1')).toEqual(quarantined)
  expect(await waitingFor(waiting)).toEqual(waits)
  expect(await change(server.url, 'drainDevice', 'cpu:1')).toEqual({
    __typename: 'ConflictFailure',
    code: 'CONFLICT',
    message: `The device cpu:1 is in quarantine and takes no runs: ${quarantined.availabilityReason}.`,
    fix: 'Enable it once it is mended, or disable it.',
  })

  await change(server.url, 'enableDevice', 'cpu:1')
  // What was before is forgiven, by a restart too.
  await restart()
  expect(await deviceOf(server.url, 'cpu:1')).toMatchObject({ availability: 'ACTIVE' })
  expect((await endOf(server.url, waiting)).state).toBe('SUCCEEDED')
  expect(await deviceOf(server.url, 'cpu:1')).toMatchObject({ availability: 'ACTIVE', state: 'FREE' })
})
