// The set-up in a small repository of its own: what it does, what it leaves alone, and how it fails.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
const upToDate = /^set-up: up to date \(\d+\.\d+ s\)\n$/
let copy: string

beforeEach(async () => {
  copy = await mkdtemp(join(tmpdir(), 'trainql-setup-'))
  for (const name of ['package.json', 'package-lock.json', 'tsconfig.json', 'tsconfig.build.json', 'scripts']) {
    await cp(join(root, name), join(copy, name), { recursive: true })
  }
  // Node's types are most of the compiler's time, and nothing here needs them.
  const build = JSON.parse(await read('tsconfig.build.json')) as { compilerOptions: object }
  Object.assign(build.compilerOptions, { types: [] })
  await write('tsconfig.build.json', JSON.stringify(build))
  // Without its script there is no database client to generate; the compiler alone is the work here.
  await rm(join(copy, 'scripts/prisma-generate.mjs'))
  await symlink(join(root, 'node_modules'), join(copy, 'node_modules'), 'dir')
  await write('src/shared/one.ts', 'export const one = 1\n')
  await write('src/shared/two.ts', "export { one as two } from './one.ts'\n")
})

afterEach(() => rm(copy, { recursive: true, force: true }))

test('builds once, and then does nothing at all', async () => {
  const first = await setUp()
  expect(first).toMatchObject({ code: 0, stderr: '' })
  expect(first.stdout).toMatch(/^TrainQL set-up\n {2}✓ server, trainer and CLI +\S+ s\nset-up: ready/)
  expect(await read('dist/shared/two.js')).toContain('from "./one.js"')
  const before = await snapshot()

  const second = await setUp()
  expect(second).toMatchObject({ code: 0, stderr: '' })
  expect(second.stdout).toMatch(upToDate)
  expect(await snapshot()).toEqual(before)
  expect(await setUp('--quiet')).toEqual({ code: 0, stdout: '', stderr: '' })
  expect(await setUp('--check')).toEqual({ code: 0, stdout: 'set-up: up to date\n', stderr: '' })
})

test('builds again what changed, and removes what lost its source', async () => {
  await setUp()
  await write('src/shared/one.ts', 'export const one = 11\n')
  await rm(join(copy, 'src/shared/two.ts'))
  expect(await setUp('--check')).toMatchObject({
    code: 1,
    stdout: 'due: server, trainer and CLI (its inputs changed)\n',
  })
  expect((await setUp()).code).toBe(0)
  expect(await read('dist/shared/one.js')).toContain('one = 11')
  expect((await readdir(join(copy, 'dist/shared'))).filter((name) => name.startsWith('two'))).toEqual([])
})

test('builds again an output that was deleted', async () => {
  await setUp()
  await rm(join(copy, 'dist/shared/one.js'))
  expect((await setUp('--check')).stdout).toBe('due: server, trainer and CLI (dist/shared/one.js is missing)\n')
  expect((await setUp()).code).toBe(0)
  expect(await read('dist/shared/one.js')).toContain('one = 1')
})

test('shows a failing step with its log and the next action, and tries it again', async () => {
  await write('src/shared/one.ts', "export const one: number = 'x'\n")
  for (let time = 0; time < 2; time += 1) {
    const { code, stdout, stderr } = await setUp()
    expect(code).toBe(1)
    expect(stdout).toContain('✗ server, trainer and CLI')
    expect(stderr).toContain("src/shared/one.ts(1,14): error TS2322: Type 'string' is not assignable to type 'number'.")
    expect(stderr).toContain('Correct the type errors above, then run the command again.\n')
  }
})

test('a build that was cut short is done anew', async () => {
  const child = start([])
  await firstOutput(child)
  child.kill('SIGTERM')
  const { code, stderr } = await ended(child)
  expect(code).toBe(143)
  expect(stderr).toContain('interrupted')
  expect((await setUp('--check')).stdout).toBe('due: server, trainer and CLI (not done yet)\n')
  expect((await setUp()).code).toBe(0)
  expect(await read('dist/shared/one.js')).toContain('one = 1')
})

test('two at once share the work', async () => {
  const both = await Promise.all([setUp(), setUp()])
  expect(both.map(({ code }) => code)).toEqual([0, 0])
  expect(both.filter(({ stdout }) => stdout.includes('✓'))).toHaveLength(1)
})

test('the lock of a process that died is no obstacle', async () => {
  const dead = spawn(process.execPath, ['-e', ''])
  await once(dead, 'close')
  await write('build/setup/lock', JSON.stringify({ pid: dead.pid, startTime: '1' }))
  const { code, stdout } = await setUp()
  expect(code).toBe(0)
  expect(stdout).not.toContain('waiting')
  expect((await readdir(join(copy, 'build/setup'))).filter((name) => name.startsWith('lock'))).toEqual([])
})

test('without a compiler it goes on, and says what to install', async () => {
  await write('native/CMakeLists.txt', 'cmake_minimum_required(VERSION 3.20)\n')
  const withoutTools = { PATH: join(copy, 'nothing'), TRAINQL_SKIP_SYSTEM_PACKAGES: '1' }
  const { code, stdout, stderr } = await ended(start([], withoutTools))
  expect(code).toBe(0)
  expect(stdout).toContain('✓ server, trainer and CLI')
  expect(stderr).toMatch(/native engine cannot be built: CMake, a C\+\+17 compiler and make missing.*\n *To get it: /)
  // It still holds the next time, and is still said.
  const again = await ended(start([], withoutTools))
  expect(again.stdout).toMatch(upToDate)
  expect(again.stderr).toBe(stderr)
})

test('installs a missing compiler where it may, and builds with it', async (context) => {
  const toolchain = await tools()
  if (!toolchain.hasTools || toolchain.make === null) context.skip('CMake, make or a C++ compiler is missing here')
  // A package manager that writes down how it was called, fails until its lists are there, and then "installs" the
  // real programs; and a sudo for those who are not root.
  const installs = Object.entries({ cmake: toolchain.cmake, 'c++': toolchain.compiler, make: toolchain.make })
  await script(
    'bin/apt-get',
    `echo "$DEBIAN_FRONTEND $*" >> calls`,
    `if [ "$1" = update ]; then : > lists; exit; fi`,
    `[ -e lists ] || exit 100`,
    ...installs.map(([name, path]) => `/bin/ln -s ${path} bin/${name}`),
  )
  await script('bin/sudo', 'shift', 'exec "$@"')
  await symlink('/usr/bin/env', join(copy, 'bin/env'))
  await write(
    'native/CMakeLists.txt',
    'cmake_minimum_required(VERSION 3.16)\nproject(addon LANGUAGES NONE)\n' +
      'add_custom_target(addon ALL COMMAND ${CMAKE_COMMAND} -E touch ${CMAKE_BINARY_DIR}/trainql.node)\n',
  )
  const restricted = { PATH: join(copy, 'bin'), CXX: '', TRAINQL_SKIP_SYSTEM_PACKAGES: '' }
  const { code, stdout, stderr } = await ended(start([], restricted))
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(stdout).toMatch(/✓ C\+\+ compiler and CMake .*\n.*✓ native engine .*\n.*✓ server/)
  const install = 'noninteractive install -y --no-install-recommends cmake g++ make\n'
  expect(await read('calls')).toBe(`${install}noninteractive update\n${install}`)
  expect((await ended(start([], restricted))).stdout).toMatch(upToDate)
})

test('an engine that does not compile is a warning, and an error under --strict', async (context) => {
  const { hasTools } = await tools()
  if (!hasTools) context.skip('CMake or a C++ compiler is missing here')
  await write('native/CMakeLists.txt', 'message(FATAL_ERROR "does not build")\n')
  await write('build/native/trainql.node', 'of other sources')
  const { code, stderr } = await setUp()
  expect(code).toBe(0)
  expect(stderr).toContain('The native engine did not compile; runs use TensorFlow.js')
  expect(stderr).toContain('does not build')
  await expect(stat(join(copy, 'build/native/trainql.node'))).rejects.toMatchObject({ code: 'ENOENT' })
  expect((await setUp('--strict')).code).toBe(1)
})

test('a dependency in another version than the lock file wants is due', async () => {
  const lock = JSON.parse(await read('package-lock.json')) as { packages: Record<string, { version: string }> }
  lock.packages['node_modules/zod']!.version = '0.0.1'
  await write('package-lock.json', JSON.stringify(lock))
  expect(await setUp('--check')).toMatchObject({
    code: 1,
    stdout: expect.stringContaining('due: dependencies (node_modules/zod 0.0.1 is missing)\n') as string,
  })
})

test('an unknown option is refused before anything is done', async () => {
  const { code, stderr } = await setUp('--rebiuld')
  expect(code).toBe(2)
  expect(stderr).toContain('Unknown option "--rebiuld".')
  expect(await readdir(copy)).not.toContain('build')
})

test('an old Node is told which one is needed', async () => {
  const pretend = "data:text/javascript,Object.defineProperty(process.versions,'node',{value:'18.20.1'})"
  const child = spawn(process.execPath, ['--import', pretend, 'scripts/setup.mjs'], { cwd: copy })
  const { code, stderr } = await ended(child)
  expect(code).toBe(1)
  expect(stderr).toContain('TrainQL needs Node 20.19 or newer; this is Node 18.20.1')
})

interface Outcome {
  code: number | null
  stdout: string
  stderr: string
}

function setUp(...options: string[]): Promise<Outcome> {
  return ended(start(options))
}

function start(options: string[], env: Record<string, string> = {}) {
  return spawn(process.execPath, ['scripts/setup.mjs', ...options], { cwd: copy, env: { ...process.env, ...env } })
}

async function ended(child: ReturnType<typeof start>): Promise<Outcome> {
  const output = { stdout: '', stderr: '' }
  child.stdout.on('data', (chunk: Buffer) => (output.stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (output.stderr += chunk.toString()))
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, ...output }
}

async function firstOutput(child: ReturnType<typeof start>): Promise<void> {
  await once(child.stdout, 'readable')
}

interface Toolchain {
  cmake: string | null
  compiler: string | null
}

async function tools(): Promise<Toolchain & { hasTools: boolean; make: string | null }> {
  const toolchain = (await import(join(root, 'scripts/setup/toolchain.mjs'))) as {
    findToolchain: () => Toolchain
    isComplete: (toolchain: Toolchain) => boolean
    findProgram: (name: string) => string | null
  }
  const found = toolchain.findToolchain()
  return { ...found, hasTools: toolchain.isComplete(found), make: toolchain.findProgram('make') }
}

async function script(path: string, ...lines: string[]): Promise<void> {
  await write(path, ['#!/bin/sh', ...lines, ''].join('\n'))
  await chmod(join(copy, path), 0o755)
}

/** Every file with the time of its last change. */
async function snapshot(): Promise<Record<string, number>> {
  const names = await readdir(copy, { recursive: true, withFileTypes: true })
  const files = names.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  return Object.fromEntries(await Promise.all(files.map(async (file) => [file, (await stat(file)).mtimeMs] as const)))
}

async function write(path: string, content: string): Promise<void> {
  await mkdir(join(copy, path, '..'), { recursive: true })
  await writeFile(join(copy, path), content)
}

function read(path: string): Promise<string> {
  return readFile(join(copy, path), 'utf8')
}
