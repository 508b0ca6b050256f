// Calls one behind the other: which are made when, what each took, and that nothing is left under way.
import { expect, test, vi } from 'vitest'
import { backToBack, type Answer, type BackToBack } from '../../src/trainer/back-to-back.ts'

/** Calls that end when the test says so; `log` tells in which order things happened. */
function calls() {
  const log: string[] = []
  const ends: { resolve(answer: string): void; reject(error: Error): void }[] = []
  const ask = (index: number): Promise<string> => {
    log.push(`ask ${index}`)
    return new Promise((resolve, reject) => ends.push({ resolve, reject }))
  }
  const end = (index: number): void => {
    log.push(`end ${index}`)
    ends[index]?.resolve(`answer ${index}`)
  }
  return { log, ask, end, fail: (index: number) => ends[index]?.reject(new Error(`call ${index}`)) }
}

/** Takes one answer, whose call is ended meanwhile. */
async function take<T>(row: AsyncGenerator<Answer<T>, void>, end: () => void): Promise<T | undefined> {
  const taken = row.next()
  end()
  const { value } = await taken
  return value?.answer
}

const upTo =
  (count: number): BackToBack<string>['follows'] =>
  (index) =>
    index + 1 < count

test('one call is made ahead, once it is known how long one takes', async () => {
  const { log, ask, end } = calls()
  const row = backToBack({ ahead: true, ask, follows: upTo(4) })
  for (const index of [0, 1, 2, 3]) {
    expect(await take(row, () => end(index))).toBe(`answer ${index}`)
    log.push(`take ${index}`)
  }
  expect(await row.next()).toEqual({ done: true, value: undefined })
  expect(log.join(', ')).toBe(
    'ask 0, end 0, take 0, ' + 'ask 1, ask 2, end 1, take 1, ' + 'ask 3, end 2, take 2, ' + 'end 3, take 3',
  )
})

test('none is made ahead where that is not wanted', async () => {
  const { log, ask, end } = calls()
  const row = backToBack({ ahead: false, ask, follows: upTo(3) })
  for (const index of [0, 1, 2]) await take(row, () => end(index))
  expect(await row.next()).toEqual({ done: true, value: undefined })
  expect(log.join(', ')).toBe('ask 0, end 0, ask 1, end 1, ask 2, end 2')
})

test('none is made ahead of calls that take a second', async () => {
  const { log, ask, end } = calls()
  const clock = vi.spyOn(performance, 'now')
  let now = 5000
  clock.mockImplementation(() => now)
  const row = backToBack({ ahead: true, ask, follows: upTo(4) })
  const seconds: (number | undefined)[] = []
  for (const [index, milliseconds] of [1000, 999, 500, 2000].entries()) {
    const taken = row.next()
    now += milliseconds
    end(index)
    seconds.push((await taken).value?.seconds)
  }
  expect(log.join(', ')).toBe('ask 0, end 0, ask 1, end 1, ask 2, ask 3, end 2, end 3')
  // The last one was made 500 ms before it was its turn.
  expect(seconds).toEqual([1, 0.999, 0.5, 2])
})

test('what is to follow is asked while a call is under way, and again where the answer was no', async () => {
  const { log, ask, end } = calls()
  let more = true
  const row = backToBack({ ahead: true, ask, follows: () => more })
  await take(row, () => end(0))
  await take(row, () => {
    more = false
    end(1)
  })
  // Call 2 is under way already.
  await take(row, () => end(2))
  expect(await row.next()).toEqual({ done: true, value: undefined })
  expect(log.join(', ')).toBe('ask 0, end 0, ask 1, ask 2, end 1, end 2')
})

test('an error leaves nothing under way: what the next call came to is nobody’s', async () => {
  const { log, ask, end, fail } = calls()
  const row = backToBack({ ahead: true, ask, follows: upTo(9) })
  await take(row, () => end(0))
  const failing = row.next().finally(() => log.push('thrown'))
  fail(1)
  await Promise.resolve()
  log.push('the next fails')
  fail(2)
  await expect(failing).rejects.toThrow('call 1')
  expect(log.join(', ')).toBe('ask 0, end 0, ask 1, ask 2, the next fails, thrown')
})

test('leaving early waits for the call under way', async () => {
  const { log, ask, end } = calls()
  const row = backToBack({ ahead: true, ask, follows: upTo(9) })
  await take(row, () => end(0))
  await take(row, () => end(1))
  const leaving = row.return().finally(() => log.push('left'))
  await Promise.resolve()
  end(2)
  await leaving
  expect(log.join(', ')).toBe('ask 0, end 0, ask 1, ask 2, end 1, end 2, left')
})
