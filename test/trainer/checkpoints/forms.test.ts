// The table of forms and outcomes in docs/checkpoints.md, row by row: what PyTorch says of a file, and what comes of it here.
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import type { CheckpointInspection } from '../../../src/shared/checkpoint-tool.ts'
import { inspect } from '../../../src/trainer/checkpoints/actions/inspect.ts'
import { suiteFolder } from '../fixtures/temporary-folder.ts'
import { readForms, type PyTorchOutcome } from './forms/forms.ts'

const forms = readForms()
const folder = suiteFolder()
/** What every file of the table is meant for. */
const target = { architecture: 'RESNET18', classes: 10, inputChannels: 3 } as const
/** What hostile.pth would leave, had it been obeyed. */
const hostileTrace = '/tmp/trainql-was-here'
const silent = (): void => undefined

beforeAll(() => {
  for (const { name, content } of forms.values()) writeFileSync(join(folder, name), content)
})

/** Of the table's rows: the file, what PyTorch says, what comes of it here, and what is reported beside. */
function documentedRows(): string[][] {
  const text = readFileSync(new URL('../../../docs/checkpoints.md', import.meta.url), 'utf8')
  const [, section = ''] = text.split('\n## Forms and outcomes\n')
  const [, table = ''] = /((?:^\|.*\n)+)/m.exec(section) ?? []
  const lines = table.trimEnd().split('\n')
  return lines.slice(2).map((line) => {
    const [file = '', , ...rest] = line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim().replaceAll('`', ''))
    return [file, ...rest]
  })
}

async function rowOf(name: string): Promise<string[]> {
  const form = forms.get(name)
  if (form === undefined) return [name, 'not in forms.br']
  const inspection = await inspect({ action: 'INSPECT', file: join(folder, name), target }, silent)
  return [name, ...sayPyTorch(form), sayHere(inspection), sayReported(inspection)]
}

/** `torch.load`, then the strict load of what it gave. */
function sayPyTorch({ weightsOnly, load, strict }: PyTorchOutcome): [string, string] {
  return [weightsOnly === load ? load : `${weightsOnly}, trusted ${load}`, strict ?? '']
}

function sayHere({ loads, problems }: CheckpointInspection): string {
  return loads ? 'loads' : problems.flatMap(({ code, blocks }) => (blocks ? [code] : [])).join(', ')
}

function sayReported({ layout, report, problems }: CheckpointInspection): string {
  const notes = problems.flatMap(({ code, blocks }) =>
    blocks || code === 'PREFIX' || code === 'DEVICE_TAGS' ? [] : [code],
  )
  return [
    ...(layout === null || layout === 'STATE_DICT' ? [] : [layout]),
    ...(report === null || report.foundAt === '' ? [] : [`at ${report.foundAt}`]),
    ...(report === null || report.strippedPrefix === '' ? [] : [`without ${report.strippedPrefix}`]),
    ...(report?.deviceTags ?? []),
    ...(report === null || report.assumedZero.length === 0 ? [] : [`${report.assumedZero.length} counters as 0`]),
    ...notes.filter((code) => code !== layout),
  ].join(', ')
}

test('the table has a row for every form, and each row is what happens', async () => {
  rmSync(hostileTrace, { force: true })
  const rows: string[][] = []
  for (const name of forms.keys()) rows.push(await rowOf(name))
  expect(documentedRows()).toEqual(rows)
  expect(existsSync(hostileTrace)).toBe(false)
})
