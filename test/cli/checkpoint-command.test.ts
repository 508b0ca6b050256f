// `trainql checkpoint` on files of PyTorch: what it prints where, what it leaves, with which code it ends.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { run } from '../../src/cli/run.ts'
import { parseCheckpointAnswer } from '../../src/shared/checkpoint-tool.ts'
import { entryCommand } from '../../src/shared/entry.ts'
import { readForms } from '../trainer/checkpoints/forms/forms.ts'
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
