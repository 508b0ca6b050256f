// A file of measurements as it is written: a batch is read when it is asked for, an outage is waited out, and a run that goes in
// the middle ends it with an error.
import { expect, test } from 'vitest'
import { DatabaseUnavailable } from '../../src/server/database/outage.ts'
import { createMetricsExportService } from '../../src/server/metrics/metrics-export.service.ts'
import type { MetricsSpan, StepRow } from '../../src/server/metrics/metrics-export.store.ts'
import { createUrlSigner } from '../../src/server/transfers/signed-url.ts'
import type { RunRecord } from '../../src/server/runs/run.record.ts'

const steps = 10_000
const run = { lastCursor: steps, startedAttempt: 1 } as RunRecord

function rowOf(cursor: number): StepRow {
  const figures = { loss: 1, nonFinite: false, learningRate: 0.1, imagesPerSecond: 100 }
  return { cursor, attempt: 1, epoch: 1, step: cursor, ...figures, at: new Date(cursor) }
}

interface Behaviour {
  /** Asked before each batch. */
  beforeBatch: (count: number) => void
  isThere: (batches: number) => boolean
}

async function open({ beforeBatch, isThere }: Partial<Behaviour>, signal = new AbortController().signal) {
  const spans: MetricsSpan[] = []
  const service = createMetricsExportService({
    store: {
      listStarts: () => Promise.resolve([{ attempt: 1, startStep: 0 }]),
      // eslint-disable-next-line @typescript-eslint/require-await -- what it throws is to be a rejection.
      list: async (_kind, span) => {
        spans.push(span)
        beforeBatch?.(spans.length)
        const count = Math.min(span.limit, span.upTo - span.after)
        return Array.from({ length: count }, (_, index) => rowOf(span.after + index + 1))
      },
    },
    findRun: () => Promise.resolve(isThere?.(spans.length) === false ? null : run),
    signer: createUrlSigner(Buffer.alloc(32), () => new Date()),
    keepMs: 1000,
    now: () => new Date(),
  })
  const { url } = await service.create('r', { kind: 'STEPS', format: 'CSV', includeSuperseded: true })
  const file = await service.open(url.split('/')[2] ?? '', signal)
  if (file === null) throw new Error('the run is there')
  return { text: file.text[Symbol.asyncIterator](), spans }
}

async function rest(text: AsyncIterator<string>): Promise<string> {
  let all = ''
  for (let next = await text.next(); next.done !== true; next = await text.next()) all += next.value
  return all
}

test('no batch is read before it is asked for, and none twice', async () => {
  const { text, spans } = await open({})
  expect((await text.next()).value).toMatch(/^attempt,.*\n$/)
  expect(spans).toHaveLength(0)
  await text.next()
  expect(spans).toHaveLength(1)
  await text.next()
  expect(spans.map(({ after }) => after)).toEqual([0, 2_000])
  await text.return?.()
  expect(spans).toHaveLength(2)
})

test('an outage in the middle is waited out', async () => {
  let failures = 0
  const { text } = await open({
    beforeBatch(count) {
      if (count !== 3 && count !== 4) return
      failures += 1
      throw new DatabaseUnavailable()
    },
  })
  const lines = (await rest(text)).split('\n')
  expect(failures).toBe(2)
  expect(lines.slice(1, -1).map((line) => Number(line.split(',')[2]))).toEqual(
    Array.from({ length: steps }, (_, index) => index + 1),
  )
})

test('who leaves while the database is away waits no longer', async () => {
  const left = new AbortController()
  const { text } = await open(
    {
      beforeBatch() {
        left.abort()
        throw new DatabaseUnavailable()
      },
    },
    left.signal,
  )
  await expect(rest(text)).rejects.toMatchObject({ name: 'AbortError' })
})

test('a run that goes in the middle is an error, not an end', async () => {
  const { text, spans } = await open({ isThere: (batches) => batches < 3 })
  await expect(rest(text)).rejects.toMatchObject({ code: 'NOT_FOUND' })
  expect(spans.length).toBeGreaterThanOrEqual(3)
})
