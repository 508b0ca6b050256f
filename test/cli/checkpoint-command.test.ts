// `trainql checkpoint` on files of PyTorch: what it prints where, what it leaves, with which code it ends.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { run } from '../../src/cli/run.ts'
import { parseCheckpointAnswer } from '../../src/shared/checkpoint-tool.ts'
import { entryCommand } from '../../src/shared/entry.ts'
import { resnet } from '../../src/trainer/models/resnet.ts'
import { generateState } from '../engine/generate.ts'
import { readForms } from '../trainer/checkpoints/forms/forms.ts'
import { animals, writeCheckpointFolder } from '../trainer/fixtures/checkpoint-folder.ts'
import { png, writeFiles } from '../trainer/fixtures/image-folders.ts'
import { suiteFolder } from '../trainer/fixtures/temporary-folder.ts'

const folder = suiteFolder()
const home = join(folder, 'home')
const at = (name: string): string => join(folder, name)

beforeAll(() => {
  const forms = readForms()
  for (const name of ['lightning.ckpt', 'resnet50.pth', 'whole-data-parallel.pth', 'lfs-pointer.pth'])
    writeFileSync(at(name), forms.get(name)!.content)
})

beforeEach(() => {
  vi.stubEnv('TRAINQL_HOME', home)
  vi.stubEnv('LANG', 'C.UTF-8')
  return () => vi.unstubAllEnvs()
})

async function trainql(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const output = { stdout: '', stderr: '' }
  const code = await run(['checkpoint', ...args], {
    stdout: { write: (text: string) => (output.stdout += text) },
    stderr: { write: (text: string) => (output.stderr += text) },
  })
  return { code, ...output }
}

test('what would not load ends with code 1, in JSON too', async () => {
  const { code, stdout, stderr } = await trainql('inspect', at('lfs-pointer.pth'), '--json')
  expect({ code, stderr }).toEqual({ code: 1, stderr: '' })
  expect(parseCheckpointAnswer(JSON.parse(stdout))).toMatchObject({
    kind: 'INSPECTED',
    inspection: { file: at('lfs-pointer.pth'), loads: false, problems: [{ code: 'NOT_A_CHECKPOINT', blocks: true }] },
  })
})

test('import makes a checkpoint of the data directory, which its reference then names', async () => {
  const { code, stdout, stderr } = await trainql('import', at('whole-data-parallel.pth'))
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  const [reference = ''] = /imported\/\S+/.exec(stdout) ?? []
  const [id = ''] = readdirSync(join(home, 'checkpoints'))
  expect(reference).toBe(`imported/${id}`)
  expect(readdirSync(join(home, 'checkpoints', id)).sort()).toEqual(
    expect.arrayContaining(['manifest.json', 'model.safetensors']),
  )
  expect(stdout.split('\n').slice(1, 3)).toEqual(['  matched    122 of 122 tensors', '  prefix     module. taken off'])
})

test('a refused import leaves nothing, and says what is missing', async () => {
  const out = join(folder, 'refused')
  const { code, stdout, stderr } = await trainql('import', at('lightning.ckpt'), '--to', out)
  expect({ code, stdout, there: existsSync(out) }).toEqual({ code: 1, stdout: '', there: false })
  expect(stderr).toMatch(/^error: .*"criterion\.weight"[\s\S]*matched +122 of 122 tensors[\s\S]*\n {2}fix: /)
})

test('doctor repairs what only has too much, through a folder that it removes', async () => {
  mkdirSync(join(folder, 'repaired'))
  const { code, stdout } = await trainql('doctor', at('lightning.ckpt'), '--repair', at('repaired/clean.safetensors'))
  expect(code).toBe(0)
  expect(stdout).toMatch(/UNEXPECTED_TENSORS[\s\S]*PREFIX[\s\S]*✔ \S+\/repaired\/clean\.safetensors {2}44\.8 MB/)
  expect(readdirSync(join(folder, 'repaired'))).toEqual(['clean.safetensors'])
  const head = readFileSync(join(folder, 'repaired/clean.safetensors')).toString('utf8', 8, 30_000)
  expect(head).toContain('"conv1.weight"')
  expect(head).not.toContain('criterion')
  const again = await trainql('doctor', at('lightning.ckpt'), '--repair', at('repaired/clean.safetensors'))
  expect(again.stderr).toBe(`error: ${at('repaired/clean.safetensors')} exists already.\n  fix: Name another.\n`)
})

test('Ctrl-C in the middle of an import leaves nothing half written', async () => {
  const parent = join(folder, 'interrupted')
  mkdirSync(parent)
  const [command, ...entry] = entryCommand(new URL('../../src/cli/main.ts', import.meta.url))
  const args = ['checkpoint', 'import', at('resnet50.pth'), '--to', join(parent, 'checkpoint')]
  const child = spawn(command, [...entry, ...args], { stdio: 'ignore' })
  const closed = once(child, 'close')
  await expect.poll(() => readdirSync(parent).length, { timeout: 60_000, interval: 2 }).toBe(1)
  child.kill('SIGINT')
  expect(await closed).toEqual([130, null])
  expect(readdirSync(parent)).toEqual([])
})

test('what is not there is named, and where it was looked for', async () => {
  expect(await trainql('verify', 'imported/nothing')).toEqual({
    code: 1,
    stdout: '',
    stderr: `error: There is no file or folder imported/nothing, and no such checkpoint in ${home}.\n  fix: Correct the path.\n`,
  })
})

test('predict tells the likeliest classes of files and folders, and by name what cannot be decoded', async () => {
  const input = { channels: 3, height: 8, width: 8 }
  const classes = animals.classNames.length
  const state = generateState(resnet({ architecture: 'RESNET18', input, classes }), 1)
  const checkpoint = await writeCheckpointFolder(folder, { state, model: { architecture: 'RESNET18', classes, input } })
  writeFiles(folder, {
    'photos/b c.png': await png({ width: 9, height: 8, paint: [10, 200, 30] }),
    'photos/notes.txt': 'no image',
    'broken.jpg': 'no image',
  })
  const told = await trainql('predict', checkpoint, at('photos'), at('broken.jpg'), '--top', '2')
  expect(told).toMatchObject({ code: 1, stderr: '' })
  const lines = told.stdout.split('\n')
  expect(lines[0]).toBe(at('photos/b c.png'))
  for (const line of lines.slice(1, 3)) expect(line).toMatch(/^ {3}[ \d]\d\.\d\d % {2}[a-z]+$/)
  expect(lines.slice(3)).toEqual([
    `✘ ${at('broken.jpg')}  cannot be decoded: Input buffer contains unsupported image format`,
    '',
    '1 of 2 images cannot be decoded',
    '',
  ])

  const { code, stdout } = await trainql('predict', checkpoint, at('photos'), '--top', '1', '--json')
  expect(code).toBe(0)
  const answer = parseCheckpointAnswer(JSON.parse(stdout))
  const [image] = answer.kind === 'PREDICTED' ? answer.predictions.images : []
  expect(image).toMatchObject({ file: at('photos/b c.png'), problem: null })
  expect(image?.classes?.map(({ name }) => name)).toEqual([lines[1]?.split('  ').at(-1)])
})

test.each([
  [['photos'], 'there is no photos.'],
  [['.'], 'expected at least one .jpg, .jpeg, .png or .webp file; found none.'],
])('predict of %j is refused', async (images, message) => {
  const { code, stdout, stderr } = await trainql('predict', join(folder, '1-00000020'), ...images)
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  expect(stderr).toContain(message)
})

test('predict takes a checkpoint, not a file of weights', async () => {
  const { code, stderr } = await trainql('predict', at('resnet50.pth'), 'x.png')
  expect(code).toBe(1)
  expect(stderr).toContain(`${at('resnet50.pth')} is no checkpoint folder: there is no manifest.json in it.`)
})
