// The command as a process: what it prints where, and with which code it leaves.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { entryCommand } from '../../src/shared/entry.ts'

const [command, ...entry] = entryCommand(new URL('../../src/cli/main.ts', import.meta.url))

function trainql(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(command, [...entry, ...args], { encoding: 'utf8', timeout: 60_000 })
  return { status, stdout, stderr }
}

test('help goes to standard output', () => {
  const { status, stdout, stderr } = trainql('--help')
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  expect(stdout).toContain('Usage: trainql <command> [options]')
  expect(trainql('demo', '--help').stdout).toContain('--[no-]keep')
})

test('a wrong line goes to standard error with the next step, and code 2', () => {
  expect(trainql('demo', '--epoch', '1')).toEqual({
    status: 2,
    stdout: '',
    stderr:
      'error: There is no option --epoch.\n  fix: Did you mean --epochs? `trainql demo --help` lists the options.\n',
  })
})

test('a folder that is not there is told before anything starts, with code 1', () => {
  const missing = fileURLToPath(new URL('./no-such-folder', import.meta.url))
  for (const command of ['demo', 'start']) {
    expect(trainql(command, '--data', missing)).toEqual({
      status: 1,
      stdout: '',
      stderr: `error: There is no folder ${missing}.\n  fix: Correct --data.\n`,
    })
  }
})
