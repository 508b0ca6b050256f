// Real runs in a real queue: a small run passes a blocked big one only where the big one is not delayed by it, and gives back
// what it was lent.
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { RunningServer } from '../../src/server/start.ts'
import { courseOfTypes, expectAsUndisturbed, accountOf } from './run-account.ts'
import {
  collectEvents,
  createRun,
  type CreatedRun,
  makeFolder,
  query,
  removeFolder,
  startTestServer,
  waitForEvent,
} from './server.ts'
import { freeze, thaw, trainerPid } from './trainer-pid.ts'

const short = { epochs: 2 }

let home: string
let server: RunningServer
let url: string
/** From which it is known how long others take. */
let first: CreatedRun

beforeAll(async () => {
  home = await makeFolder()
  // One that stands still is told to yield all the same.
  server = await startTestServer(home, { silentSeconds: 600 })
  url = server.url
  first = await createRun(url, short)
  await collectEvents(url, first.id)
})
afterAll(async () => {
  await server.close()
  await removeFolder(home)
})

interface Leased {
  at: string
  devices: string[]
  backfilledUntil: string | null
}

async function leases(runId: string): Promise<Leased[]> {
  const { run } = await query<{ run: { events: { nodes: Partial<Leased>[] } } }>(
    url,
    `query ($id: ID!) { run(id: $id) { events(first: 50) { nodes {
      ... on LeasedEvent { at devices backfilledUntil }
    } } } }`,
    { id: runId },
  )
  return run.events.nodes.flatMap(({ at = '', devices, backfilledUntil = null }) =>
    devices === undefined ? [] : [{ at, devices, backfilledUntil }],
  )
}

const cancel = (id: string): Promise<unknown> =>
  query(url, 'mutation ($id: ID!) { cancelRun(id: $id) { __typename } }', { id })

test('behind a big run that waits, the small one goes first, and the one that would take too long does not', async () => {
  const long = await createRun(url, { epochs: 5_000, devices: { names: ['cpu:0'] } })
  const big = await createRun(url, { epochs: 1, devices: { count: 2 } })
  expect(big.state).toBe('QUEUED')
  const endless = await createRun(url, { epochs: 50_000, devices: { count: 1 } })
  expect(endless).toMatchObject({
    state: 'QUEUED',
    waitingFor: expect.stringContaining('1 run is before it') as string,
  })
  const small = await createRun(url, short)
  await collectEvents(url, small.id)

  const [passed] = await leases(small.id)
  expect(passed).toMatchObject({ devices: ['cpu:1'] })
  // It was given back before the big run could start, which still waits for the long one.
  expect(Date.parse(passed?.backfilledUntil ?? '')).toBeGreaterThan(Date.now())
  expect([await leases(big.id), await leases(endless.id)]).toEqual([[], []])

  await cancel(long.id)
  await waitForEvent(url, big.id, 'LeasedEvent')
  await waitForEvent(url, endless.id, 'LeasedEvent')
  const [ofBig] = await leases(big.id)
  const [ofEndless] = await leases(endless.id)
  expect(ofBig).toMatchObject({ devices: ['cpu:0', 'cpu:1'], backfilledUntil: null })
  expect(Date.parse(ofEndless?.at ?? '')).toBeGreaterThan(Date.parse(ofBig?.at ?? ''))
  await cancel(endless.id)
})

test('one that takes longer than it was expected to yields, goes on later, and ends as if nothing had been', async () => {
  const holder = await createRun(url, { epochs: 8, devices: { names: ['cpu:0'] } })
  const big = await createRun(url, { epochs: 1, devices: { count: 2 } })
  const lent = await createRun(url, short)
  await waitForEvent(url, lent.id, 'StepEvent')
  const pid = trainerPid(lent)
  await freeze(pid)
  await cancel(holder.id)
  await waitForEvent(url, lent.id, 'PauseRequestedEvent')
  thaw(pid)

  await collectEvents(url, lent.id)
  const [ofBig, ofLent] = [await accountOf(url, big.id), await accountOf(url, lent.id)]
  expect(ofBig).toMatchObject({ state: 'SUCCEEDED', tries: 1 })
  const [until] = await leases(lent.id)
  expect(until).toMatchObject({ devices: ['cpu:1'], backfilledUntil: expect.any(String) as string })
  const told = ofLent.events.find(({ type }) => type === 'PauseRequested')
  expect(told?.reason).toBe('YIELD')
  expect(Date.parse(told?.at ?? '')).toBeGreaterThanOrEqual(Date.parse(until?.backfilledUntil ?? ''))
  expect(courseOfTypes(ofLent).filter((type) => !/^(Step|Epoch|Checkpoint)$/.test(type))).toEqual([
    ...['Queued', 'Leased', 'Started', 'PauseRequested', 'Stopped', 'Released', 'Yielded'],
    ...['Leased', 'Started', 'Finished', 'Released', 'RunEnded'],
  ])
  // It did nothing wrong.
  expect(ofLent.tries).toBe(1)
  expectAsUndisturbed(ofLent, await accountOf(url, first.id))
})
