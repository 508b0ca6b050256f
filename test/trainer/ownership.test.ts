// Who owns an attempt, and whether the owner still lives.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ownIdentity, processState } from '../../src/shared/process-identity.ts'
import { parseLockRecord } from '../../src/shared/run-directory.ts'
import { isOver, takeAttempt } from '../../src/trainer/ownership.ts'
import { temporaryFolder } from './fixtures/temporary-folder.ts'

describe('takeAttempt', () => {
  test('writes who holds the attempt, and refuses it to anybody else', () => {
    const folder = temporaryFolder()
    takeAttempt(folder, 3)
    const text = readFileSync(join(folder, 'lock.3'), 'utf8')
    expect(parseLockRecord(JSON.parse(text))).toMatchObject({ pid: process.pid, host: hostname() })
    expect(() => {
      takeAttempt(folder, 3)
    }).toThrow(
      expect.objectContaining({
        code: 'CONFLICT',
        message: `Attempt 3 already belongs to process ${process.pid} on ${hostname()} (${folder}/lock.3).`,
      }),
    )
    expect(readFileSync(join(folder, 'lock.3'), 'utf8')).toBe(text)
    expect(readdirSync(folder)).toEqual(['lock.3'])
  })

  test('another attempt is another lock', () => {
    const folder = temporaryFolder()
    takeAttempt(folder, 1)
    takeAttempt(folder, 2)
    expect(readdirSync(folder).sort()).toEqual(['lock.1', 'lock.2'])
  })

  test('an attempt is over when its process has ended, and not before; one without lock never began', () => {
    const folder = temporaryFolder()
    takeAttempt(folder, 1)
    expect(isOver(folder, 1)).toBe(false)
    expect(isOver(folder, 2)).toBe(false)
  })
})

describe('processState', () => {
  test('of this process is alive', () => {
    expect(processState(ownIdentity())).toBe('alive')
  })

  test('of another process that was given the same pid is dead', () => {
    expect(processState({ ...ownIdentity(), startTime: '1' })).toBe('dead')
  })

  test('of a process before the last start of this machine is dead', () => {
    const { domain, ...identity } = ownIdentity()
    const [, namespace = ''] = domain?.split('/') ?? []
    if (domain === null) return
    expect(processState({ ...identity, domain: `00000000-0000-0000-0000-000000000000/${namespace}` })).toBe('dead')
  })

  test('on another host, or in another container, is unknown', () => {
    const identity = ownIdentity()
    expect(processState({ ...identity, host: 'elsewhere' })).toBe('unknown')
    if (identity.domain === null) return
    const boot = identity.domain.split('/')[0] ?? ''
    expect(processState({ ...identity, domain: `${boot}/pid:[1]` })).toBe('unknown')
  })

  test('follows a process to its end', async () => {
    const child = spawn(process.execPath, ['-e', 'process.stdout.write("up"); process.stdin.resume()'])
    await once(child.stdout, 'data')
    const identity = { ...ownIdentity(), pid: child.pid ?? 0, startTime: null }
    expect(processState(identity)).toBe('alive')
    child.kill('SIGKILL')
    await once(child, 'exit')
    expect(processState(identity)).toBe('dead')
  })
})
