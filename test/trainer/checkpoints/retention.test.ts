// Which checkpoints a run keeps, and how the others go: never one that is pinned, never the newest, never half.
import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { checkpointPolicySchema } from '../../../src/shared/checkpoint-policy.ts'
import { checkpointName } from '../../../src/shared/run-directory.ts'
import { removeUncounted } from '../../../src/trainer/checkpoints/counted.ts'
import {
  createHousekeeper,
  type Housekeeper,
  type HousekeeperOptions,
} from '../../../src/trainer/checkpoints/removal.ts'
import { retained, type CheckpointFacts } from '../../../src/trainer/checkpoints/retention.ts'
import { temporaryFolder } from '../fixtures/temporary-folder.ts'
import { saveTinyCheckpoint } from '../fixtures/tiny-checkpoint.ts'

/** Ten steps an epoch. */
function ofEpoch(epoch: number, validationLoss: number | null, accuracy: number | null = null): CheckpointFacts {
  const metrics = { trainLoss: 1, validationLoss, accuracy, top5Accuracy: 1 }
  return { name: checkpointName(1, 10 * epoch), attempt: 1, epoch, step: 10 * epoch, metrics }
}

function inside(step: number, attempt = 1): CheckpointFacts {
  return { name: checkpointName(attempt, step), attempt, epoch: Math.floor(step / 10), step, metrics: null }
}

/** Five epochs and a step of the sixth. */
const checkpoints = [
  ofEpoch(1, 0.9, 0.4),
  inside(15),
  ofEpoch(2, 0.5, 0.7),
  ofEpoch(3, 0.5, 0.8),
  ofEpoch(4, null, 0.8),
  ofEpoch(5, 0.7, 0.6),
  inside(51),
]
const steps = [10, 15, 20, 30, 40, 50, 51]

describe('retained', () => {
  test.each<[policy: Record<string, unknown>, pins: number[], kept: number[]]>([
    [{}, [], steps],
    [{ everySteps: 5, onDiskFull: 'CONTINUE' }, [], steps],
    [{ keepLast: 1 }, [], [51]],
    [{ keepLast: 3 }, [], [40, 50, 51]],
    [{ keepLast: 100 }, [], steps],
    [{ keepLast: 1 }, [15, 30], [15, 30, 51]],
    // Of two equal losses the earlier; the newest stays though it is no epoch's.
    [{ keepBest: { metric: 'VALIDATION_LOSS' } }, [], [20, 51]],
    [{ keepBest: { metric: 'VALIDATION_LOSS', count: 2 } }, [], [20, 30, 51]],
    [{ keepBest: { metric: 'VALIDATION_LOSS', count: 3 } }, [], [20, 30, 50, 51]],
    // A loss that is no number is never among the best, however many are kept.
    [{ keepBest: { metric: 'VALIDATION_LOSS', count: 9 } }, [], [10, 20, 30, 50, 51]],
    [{ keepBest: { metric: 'ACCURACY' } }, [], [30, 51]],
    [{ keepBest: { metric: 'ACCURACY', count: 3 } }, [], [20, 30, 40, 51]],
    [{ keepEvery: 2 }, [], [20, 40, 51]],
    [{ keepEvery: 1 }, [], [10, 20, 30, 40, 50, 51]],
    [{ keepEvery: 7 }, [], [51]],
    [{ keepLast: 2, keepBest: { metric: 'ACCURACY' }, keepEvery: 4 }, [10], [10, 30, 40, 50, 51]],
  ])('by %j with pins %j keeps %j', (policy, pins, kept) => {
    const names = retained(
      checkpoints,
      checkpointPolicySchema.parse(policy),
      new Set(pins.map((step) => checkpointName(1, step))),
    )
    expect([...names].sort()).toEqual(kept.map((step) => checkpointName(1, step)))
  })

  test('takes a later attempt for newer, though it went back', () => {
    const policy = checkpointPolicySchema.parse({ keepLast: 2 })
    const names = retained([inside(21, 2), ...checkpoints], policy, new Set())
    expect([...names].sort()).toEqual(['1-00000051', '2-00000021'])
  })

  test('of nothing keeps nothing', () => {
    expect(retained([], checkpointPolicySchema.parse({ keepLast: 1 }), new Set())).toEqual(new Set())
  })
})

describe('the housekeeper', () => {
  async function folderOf(...names: [attempt: number, step: number][]): Promise<string> {
    const folder = temporaryFolder()
    for (const [attempt, step] of names) await saveTinyCheckpoint(folder, { attempt, step })
    return folder
  }

  function housekeeperOf(
    folder: string,
    said: string[] = [],
    attempt: HousekeeperOptions['attempt'] = { attempt: 9, checkpoints: null },
  ): Housekeeper {
    return createHousekeeper(folder, {
      policy: checkpointPolicySchema.parse({ keepLast: 1 }),
      attempt,
      say: (line) => said.push(line),
    })
  }

  test('looks at no checkpoint of an earlier attempt that does not count', async () => {
    const folder = await folderOf([1, 3], [1, 9], [2, 6])
    const attempt = { attempt: 2, checkpoints: ['1-00000003'] }
    expect(await housekeeperOf(folder, [], attempt).setAside()).toEqual(['1-00000003'])
    expect(readdirSync(folder).sort()).toEqual(['.trash-1-00000003', '1-00000009', '2-00000006'])
    expect(await removeUncounted(folder, attempt)).toEqual(['1-00000009'])
    expect(readdirSync(folder).sort()).toEqual(['.trash-1-00000003', '2-00000006'])
  })

  test('sets aside under another name, and frees the room when told', async () => {
    const folder = await folderOf([1, 3], [1, 6], [2, 6])
    writeFileSync(join(folder, '1-00000003.pinned'), '')
    const housekeeper = housekeeperOf(folder)
    expect(await housekeeper.setAside()).toEqual(['1-00000006'])
    const kept = ['1-00000003', '1-00000003.pinned', '2-00000006']
    expect(readdirSync(folder).sort()).toEqual(['.trash-1-00000006', ...kept])
    await housekeeper.discard()
    expect(readdirSync(folder).sort()).toEqual(kept)
    rmSync(join(folder, '1-00000003.pinned'))
    expect(await housekeeper.setAside()).toEqual(['1-00000003'])
    expect(await housekeeper.setAside()).toEqual([])
  })

  test('neither counts nor removes what is damaged, deleted or none of its own', async () => {
    const folder = await folderOf([1, 3], [1, 6], [1, 9])
    writeFileSync(join(folder, '1-00000009', 'manifest.json'), '{}')
    for (const name of ['.tmp-1-00000012', 'notes']) mkdirSync(join(folder, name))
    const housekeeper = housekeeperOf(folder)
    expect(await housekeeper.setAside()).toEqual(['1-00000003'])
    rmSync(join(folder, '1-00000006'), { recursive: true })
    expect(await housekeeper.setAside()).toEqual([])
    await housekeeper.discard()
    expect(readdirSync(folder).sort()).toEqual(['.tmp-1-00000012', '1-00000009', 'notes'])
  })

  test('finds what a killed process had set aside, and puts back what was pinned in between', async () => {
    const folder = await folderOf([1, 3], [1, 6], [1, 9])
    for (const name of ['1-00000003', '1-00000006']) renameSync(join(folder, name), join(folder, `.trash-${name}`))
    writeFileSync(join(folder, '1-00000006.pinned'), '')
    const housekeeper = housekeeperOf(folder)
    await housekeeper.discard()
    renameSync(join(folder, '1-00000009'), join(folder, '.trash-1-00000003'))
    await saveTinyCheckpoint(folder, { attempt: 1, step: 9 })
    expect(await housekeeper.findSetAside()).toEqual(['1-00000003'])
    await housekeeper.discard()
    expect(readdirSync(folder).sort()).toEqual(['1-00000006', '1-00000006.pinned', '1-00000009'])
    expect(await housekeeper.findSetAside()).toEqual([])
  })

  test('leaves for the next time what cannot be renamed, and says so', async () => {
    const folder = await folderOf([1, 3], [1, 6])
    // A folder that is not empty stands where it should go.
    mkdirSync(join(folder, '.trash-1-00000003', 'in the way'), { recursive: true })
    const said: string[] = []
    const housekeeper = housekeeperOf(folder, said)
    expect(await housekeeper.setAside()).toEqual([])
    expect(said).toEqual([expect.stringMatching(/^1-00000003 stays for now: ENOTEMPTY/) as string])
    await housekeeper.discard()
    expect(await housekeeper.setAside()).toEqual(['1-00000003'])
  })
})
