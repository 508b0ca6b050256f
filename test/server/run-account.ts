// A run of the real trainer as the API tells it once it has ended, so that two of them can be compared: whatever became of
// the one on its way, it is to end as the other did, to the bit.
import { expect } from 'vitest'
import { collectEvents, query } from './server.ts'

export interface AccountEvent {
  type: string
  cursor: string
  attempt: number
  seq: number
  at: string
  step?: number
  loss?: number | null
  devices?: string[]
  reason?: string
  fault?: string | null
}

export interface RunAccount {
  state: string
  tries: number
  events: AccountEvent[]
  /** Oldest first. */
  checkpoints: { name: string; attempt: number; step: number; sha256: string }[]
}

const accountText = `query ($id: ID!) { run(id: $id) {
  state tries
  events(first: 1000) { nodes {
    type: __typename cursor attempt seq at
    ... on StepEvent { step loss }
    ... on LeasedEvent { devices }
    ... on PauseRequestedEvent { reason }
    ... on ReleasedEvent { fault }
  } }
  checkpoints(first: 100) { nodes { name attempt step sha256 } }
} }`

interface Told {
  run: {
    state: string
    tries: number
    events: { nodes: (Omit<AccountEvent, 'seq'> & { seq: string })[] }
    checkpoints: { nodes: RunAccount['checkpoints'] }
  }
}

export async function accountOf(url: string, id: string): Promise<RunAccount> {
  const { run } = await query<Told>(url, accountText, { id })
  const events = run.events.nodes.map((event) => ({
    ...event,
    type: event.type.replace(/Event$/, ''),
    seq: Number(event.seq),
  }))
  return { ...run, events, checkpoints: run.checkpoints.nodes }
}

/** Once the run has ended. */
export async function endOf(url: string, { id }: { id: string }): Promise<RunAccount> {
  await collectEvents(url, id)
  return accountOf(url, id)
}

/** Types of all events in their order; those that come in a row once. */
export function courseOfTypes({ events }: RunAccount): string[] {
  return events.map(({ type }) => type).filter((type, index, all) => type !== all[index - 1])
}

/** Numbers of the events of an attempt; 0: of the server. */
export function seqsOf({ events }: RunAccount, attempt: number): number[] {
  return events.filter((event) => event.attempt === attempt).map(({ seq }) => seq)
}

/** `1 … count`. */
export function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1)
}

/** It has succeeded, no event of it is missing or there twice, and each loss and the last weights are the other's. */
export function expectAsUndisturbed(account: RunAccount, undisturbed: RunAccount): void {
  expect([account.state, undisturbed.state]).toEqual(['SUCCEEDED', 'SUCCEEDED'])
  for (const attempt of new Set(account.events.map((event) => event.attempt))) {
    const seqs = seqsOf(account, attempt)
    expect(seqs).toEqual(upTo(seqs.length))
  }
  expect(new Set(account.events.map(({ cursor }) => cursor)).size).toBe(account.events.length)
  expect(lossesOf(account)).toEqual(lossesOf(undisturbed))
  expect(account.checkpoints.at(-1)).toMatchObject(weightsOf(undisturbed))
}

/** What was trained twice, by attempts of one course, is told once where both came to the same. */
function lossesOf({ events }: RunAccount): string[] {
  const losses = events.filter(({ type }) => type === 'Step').map(({ step, loss }) => `step ${step}: ${loss}`)
  return [...new Set(losses)].sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))
}

function weightsOf({ checkpoints }: RunAccount): { step: number; sha256: string } {
  const { step = 0, sha256 = '' } = checkpoints.at(-1) ?? {}
  return { step, sha256 }
}
