// The package as another project sees it: its `exports`, its types checked strictly, and no dependency it does not name.
import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startEventServer } from './event-server.ts'

const repository = fileURLToPath(new URL('../../', import.meta.url))
const tsc = join(repository, 'node_modules/typescript/bin/tsc')
const run = promisify(execFile)
let project: string

beforeAll(async () => {
  project = await mkdtemp(join(tmpdir(), 'trainql-outside-'))
  await cp(join(repository, 'examples/sdk-outside'), project, { recursive: true })
  const packageFolder = join(project, 'node_modules/trainql')
  const build = {
    extends: join(repository, 'tsconfig.build.json'),
    compilerOptions: {
      rootDir: join(repository, 'src'),
      outDir: join(packageFolder, 'dist'),
      incremental: false,
      tsBuildInfoFile: null,
    },
    include: [join(repository, 'src/sdk')],
  }
  await mkdir(packageFolder, { recursive: true })
  await cp(join(repository, 'package.json'), join(packageFolder, 'package.json'))
  await writeFile(join(project, 'build.json'), JSON.stringify(build))
  const types = ['--typeRoots', join(repository, 'node_modules/@types')]
  await run(process.execPath, [tsc, '-p', join(project, 'build.json'), ...types])
  // What the SDK needs at run time or in its types, and nothing else of this repository.
  const needed = ['graphql', 'graphql-ws', 'ws', '@graphql-typed-document-node/core', '@types/node', 'undici-types']
  for (const name of needed) {
    const link = join(project, 'node_modules', name)
    await mkdir(dirname(link), { recursive: true })
    await symlink(join(repository, 'node_modules', name), link)
  }
})

afterAll(() => rm(project, { recursive: true }))

test('a project outside type-checks against the package, its declarations included, and runs', async () => {
  // Where a wrong field name did type-check, the directive would be unused, which is an error too.
  const wrong = `
import { createClient } from 'trainql'
// @ts-expect-error trainPictures is no field of the input
void createClient({ url: '' }).createRun({ dataset: 'shapes', trainPictures: 1 })
`
  await writeFile(join(project, 'wrong.ts'), wrong)
  const check = { extends: './tsconfig.json', include: ['train.ts', 'wrong.ts'] }
  await writeFile(join(project, 'check.json'), JSON.stringify(check))
  await run(process.execPath, [tsc, '-p', join(project, 'check.json'), '--skipLibCheck', 'false'])
  const server = await startEventServer()
  try {
    server.emit()
    server.emit('ended')
    const { stdout } = await run(process.execPath, ['dist/train.js'], {
      cwd: project,
      env: { ...process.env, TRAINQL_URL: server.url },
    })
    expect(stdout).toBe('step 1 loss 1\nRunEndedEvent\nSUCCEEDED\n')
  } finally {
    await server.close()
  }
})
