// The checkpoint process: one answer to each request, whatever becomes of it.
import { execFile } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { askCheckpointProcess } from '../../src/shared/checkpoint-process.ts'
import { entryCommand } from '../../src/shared/entry.ts'

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

  test('is ended by the signal of who asked', async () => {
    const asking = new AbortController()
    const answer = askCheckpointProcess({ action: 'VERIFY', folder: '/nowhere' }, { signal: asking.signal })
    asking.abort(new Error('asked no more'))
    await expect(answer).rejects.toThrow('asked no more')
    await expect(
      askCheckpointProcess({ action: 'VERIFY', folder: '/nowhere' }, { signal: asking.signal }),
    ).rejects.toThrow('asked no more')
  })
})
