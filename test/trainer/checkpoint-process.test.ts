// The checkpoint process: one answer to each request, whatever becomes of it.
import { execFile } from 'node:child_process'
import { mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { askCheckpointProcess } from '../../src/shared/checkpoint-process.ts'
import { entryCommand } from '../../src/shared/entry.ts'
import { initialState } from '../../src/trainer/initialise.ts'
import { resnet } from '../../src/trainer/models/resnet.ts'
import { writeCheckpointFolder } from './fixtures/checkpoint-folder.ts'
import { temporaryFolder } from './fixtures/temporary-folder.ts'

const [command, ...entry] = entryCommand(new URL('../../src/trainer/checkpoints/tool.ts', import.meta.url))

function runTool(...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const child = execFile(command, [...entry, ...args], (_error, stdout, stderr) => {
      resolve({ code: child.exitCode, stdout, stderr })
    })
  })
}

describe('the checkpoint process', () => {
  test('answers FAILED where the request is none, and says what it expected', async () => {
    const { code, stdout, stderr } = await runTool('{"action":"INSPECT"')
    expect(JSON.parse(stdout)).toMatchObject({
      kind: 'FAILED',
      code: 'INVALID_INPUT',
      message: expect.stringMatching(/^Expected one argument, a checkpoint request as JSON; got /) as string,
      report: null,
    })
    expect({ code, stderr, lines: stdout.split('\n').length }).toEqual({ code: 2, stderr: '', lines: 2 })
  })

  test('is ended by the signal of who asked, and takes along what it was writing', async () => {
    const folder = temporaryFolder()
    const model = { architecture: 'RESNET18', classes: 2, input: { channels: 1, height: 32, width: 32 } } as const
    const state = initialState(resnet(model), 1)
    const file = await writeCheckpointFolder(folder, { state, model })
    const into = join(folder, 'into')
    mkdirSync(into)
    const asking = new AbortController()
    const request = { action: 'EXPORT', file, out: join(into, 'model.onnx'), format: 'ONNX' } as const
    const answer = askCheckpointProcess(request, {
      signal: asking.signal,
      // It writes: 16 of 45 MB are there.
      onProgress: () => asking.abort(new Error('asked no more')),
    })
    await expect(answer).rejects.toThrow('asked no more')
    // It may have been done before the signal came; half a file there is never.
    expect(readdirSync(into).filter((name) => name !== 'model.onnx')).toEqual([])
    await expect(askCheckpointProcess(request, { signal: asking.signal })).rejects.toThrow('asked no more')
  })
})
