// Shows that each lint rule the project leans on refuses what it should, and lets through what it should.
// Everything happens in a small copy of the repository's shape, linted with the repository's own configuration.
import { copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ESLint } from 'eslint'
import { afterAll, beforeAll, expect, test } from 'vitest'

interface Case {
  /** What the code does, as the test's name. */
  name: string
  file: string
  code: string
  /** Rules that must report, exactly these; none for code that is right. */
  rules: string[]
}

const paths = 'import-x/no-restricted-paths'
const packages = '@typescript-eslint/no-restricted-imports'
const syntax = 'no-restricted-syntax'

/** What the cases import; each is right by itself. */
const landscape: Record<string, string> = {
  'src/shared/state.ts': 'export const state = 1\n',
  'src/trainer/main.ts': 'export const main = 1\n',
  'src/trainer/models/graph.ts': 'export const graph = 1\n',
  'src/trainer/engines/native.ts': 'export const native = 1\n',
  'src/server/app.ts': 'export const app = 1\n',
  'src/server/prisma-client/client.ts': 'export const client = 1\n',
  'src/server/database/open.ts': "export { client } from '../prisma-client/client.ts'\n",
  'src/server/runs/run.type.ts': 'export class Run {\n  id = 1\n}\n',
  'src/server/runs/run.store.ts': 'export const store = 1\n',
  'src/server/runs/run.service.ts': 'export const service = 1\n',
  'src/server/runs/run.resolver.ts': 'export const resolver = 1\n',
  'src/sdk/client.ts': 'export const client = 1\n',
  'src/sdk/generated/schema.ts': 'export type Id = string\n',
  'src/cli/parse.ts': 'export const parse = 1\n',
  'src/web/page.ts': 'export const page = 1\n',
}

const re = (from: string) => `export * from '${from}'\n`
const dynamic = (from: string) => `export const load = () => import('${from}')\n`

const cases: Case[] = [
  // Rooms
  {
    name: 'shared imports another room',
    file: 'src/shared/a.ts',
    code: re('../trainer/models/graph.ts'),
    rules: [paths],
  },
  { name: 'trainer imports shared', file: 'src/trainer/a.ts', code: re('../shared/state.ts'), rules: [] },
  { name: 'trainer imports the server', file: 'src/trainer/b.ts', code: re('../server/app.ts'), rules: [paths] },
  { name: 'trainer imports the SDK', file: 'src/trainer/c.ts', code: re('../sdk/client.ts'), rules: [paths] },
  { name: 'server imports shared', file: 'src/server/a.ts', code: re('../shared/state.ts'), rules: [] },
  { name: 'server imports trainer/models', file: 'src/server/b.ts', code: re('../trainer/models/graph.ts'), rules: [] },
  { name: 'server imports the trainer', file: 'src/server/c.ts', code: re('../trainer/main.ts'), rules: [paths] },
  {
    name: 'server imports the trainer later',
    file: 'src/server/d.ts',
    code: dynamic('../trainer/main.ts'),
    rules: [paths],
  },
  {
    name: 'server imports a type of the trainer',
    file: 'src/server/e.ts',
    code: "import type { main } from '../trainer/main.ts'\nexport type Main = typeof main\n",
    rules: [paths],
  },
  {
    name: "server names the trainer's entry by URL",
    file: 'src/server/f.ts',
    code: "export const entry = new URL('../trainer/main.ts', import.meta.url)\n",
    rules: [],
  },
  { name: 'server imports the SDK', file: 'src/server/g.ts', code: re('../sdk/client.ts'), rules: [paths] },
  { name: 'server imports the CLI', file: 'src/server/h.ts', code: re('../cli/parse.ts'), rules: [paths] },
  {
    name: 'SDK imports its generated code',
    file: 'src/sdk/a.ts',
    code: "export type * from './generated/schema.ts'\n",
    rules: [],
  },
  { name: 'SDK imports shared', file: 'src/sdk/b.ts', code: re('../shared/state.ts'), rules: [paths] },
  { name: 'SDK imports the server', file: 'src/sdk/c.ts', code: re('../server/app.ts'), rules: [paths] },
  { name: 'CLI imports the SDK', file: 'src/cli/a.ts', code: re('../sdk/client.ts'), rules: [] },
  { name: 'CLI imports the server', file: 'src/cli/b.ts', code: re('../server/app.ts'), rules: [paths] },
  { name: 'CLI imports the trainer', file: 'src/cli/c.ts', code: re('../trainer/main.ts'), rules: [paths] },
  { name: 'web imports the SDK', file: 'src/web/a.ts', code: re('../sdk/client.ts'), rules: [] },
  { name: 'web imports shared', file: 'src/web/b.ts', code: re('../shared/state.ts'), rules: [paths] },
  { name: 'web imports the CLI', file: 'src/web/c.ts', code: re('../cli/parse.ts'), rules: [paths] },

  // Layers of the server
  {
    name: 'resolver imports a service',
    file: 'src/server/x/a.resolver.ts',
    code: re('../runs/run.service.ts'),
    rules: [],
  },
  {
    name: 'resolver imports a store',
    file: 'src/server/x/b.resolver.ts',
    code: re('../runs/run.store.ts'),
    rules: [paths],
  },
  {
    name: 'resolver imports the Prisma client',
    file: 'src/server/x/c.resolver.ts',
    code: re('../prisma-client/client.ts'),
    rules: [packages],
  },
  { name: 'resolver imports GraphQL', file: 'src/server/x/d.resolver.ts', code: re('graphql'), rules: [] },
  { name: 'service imports a store', file: 'src/server/x/a.service.ts', code: re('../runs/run.store.ts'), rules: [] },
  {
    name: 'service imports a GraphQL class',
    file: 'src/server/x/b.service.ts',
    code: re('../runs/run.type.ts'),
    rules: [paths],
  },
  {
    name: 'service imports a resolver',
    file: 'src/server/x/c.service.ts',
    code: re('../runs/run.resolver.ts'),
    rules: [paths],
  },
  {
    name: 'service imports type-graphql',
    file: 'src/server/x/d.service.ts',
    code: re('type-graphql'),
    rules: [packages],
  },
  {
    name: 'service imports GraphQL later',
    file: 'src/server/x/e.service.ts',
    code: dynamic('graphql'),
    rules: [syntax],
  },
  {
    name: 'service imports the Prisma client',
    file: 'src/server/x/f.service.ts',
    code: re('../prisma-client/client.ts'),
    rules: [packages],
  },
  {
    name: 'store imports the Prisma client',
    file: 'src/server/x/a.store.ts',
    code: re('../prisma-client/client.ts'),
    rules: [],
  },
  {
    name: 'store imports a service',
    file: 'src/server/x/b.store.ts',
    code: re('../runs/run.service.ts'),
    rules: [paths],
  },
  { name: 'store imports GraphQL', file: 'src/server/x/c.store.ts', code: re('graphql'), rules: [packages] },
  {
    name: 'GraphQL class imports a service',
    file: 'src/server/x/a.type.ts',
    code: re('../runs/run.service.ts'),
    rules: [paths],
  },

  // Database, GraphQL and addon at the places that may see them
  {
    name: 'app imports the Prisma client',
    file: 'src/server/i.ts',
    code: re('./prisma-client/client.ts'),
    rules: [packages],
  },
  {
    name: 'app imports the Prisma client later',
    file: 'src/server/j.ts',
    code: dynamic('./prisma-client/client.ts'),
    rules: [syntax],
  },
  { name: 'app imports the database', file: 'src/server/k.ts', code: re('@electric-sql/pglite'), rules: [packages] },
  { name: 'trainer imports the database', file: 'src/trainer/d.ts', code: re('pg'), rules: [packages] },
  { name: 'trainer imports GraphQL', file: 'src/trainer/e.ts', code: re('graphql'), rules: [packages] },
  {
    name: 'loop loads the addon',
    file: 'src/trainer/f.ts',
    code: "import { createRequire } from 'node:module'\nexport const addon: unknown = createRequire(import.meta.url)('./x.node')\n",
    rules: [syntax],
  },
  {
    name: 'loop opens the addon by dlopen',
    file: 'src/trainer/g.ts',
    code: "process.dlopen({ exports: {} }, './x.node')\n",
    rules: [syntax],
  },
  {
    name: 'loop imports the native engine',
    file: 'src/trainer/h.ts',
    code: re('./engines/native.ts'),
    rules: [packages],
  },
  {
    name: 'engine chooser imports the native engine',
    file: 'src/trainer/engines/open.ts',
    code: dynamic('./native.ts'),
    rules: [],
  },
  {
    name: 'the one place loads the addon',
    file: 'src/trainer/addon.ts',
    code: "import { createRequire } from 'node:module'\nexport const addon: unknown = createRequire(import.meta.url)('./x.node')\n",
    rules: [],
  },
  {
    name: 'native engine loads the addon by itself',
    file: 'src/trainer/engines/native.ts',
    code: "import { createRequire } from 'node:module'\nexport const native: unknown = createRequire(import.meta.url)('./x.node')\n",
    rules: [syntax],
  },

  // Cycles
  {
    name: 'cycle of two, one side',
    file: 'src/shared/one.ts',
    code: "export { two } from './two.ts'\nexport const one = 1\n",
    rules: ['import-x/no-cycle'],
  },
  {
    name: 'cycle of two, other side',
    file: 'src/shared/two.ts',
    code: "export { one } from './one.ts'\nexport const two = 2\n",
    rules: ['import-x/no-cycle'],
  },
  {
    name: 'cycle of three, in part by import()',
    file: 'src/shared/p.ts',
    code: dynamic('./q.ts'),
    rules: ['import-x/no-cycle'],
  },
  { name: 'cycle of three, second', file: 'src/shared/q.ts', code: re('./r.ts'), rules: ['import-x/no-cycle'] },
  { name: 'cycle of three, third', file: 'src/shared/r.ts', code: re('./p.ts'), rules: ['import-x/no-cycle'] },

  // Types and promises
  {
    name: 'floating promise',
    file: 'src/shared/s.ts',
    code: 'export function start(work: () => Promise<void>): void {\n  work()\n}\n',
    rules: ['@typescript-eslint/no-floating-promises'],
  },
  {
    name: 'promise given where nobody waits',
    file: 'src/shared/t.ts',
    code: 'export function each(items: number[], work: (item: number) => Promise<void>): void {\n  items.forEach(work)\n}\n',
    rules: ['@typescript-eslint/no-misused-promises'],
  },
  {
    name: 'any',
    file: 'src/shared/u.ts',
    code: 'export type Loose = any\n',
    rules: ['@typescript-eslint/no-explicit-any'],
  },
  {
    name: 'switch that forgets a member',
    file: 'src/shared/v.ts',
    code: "export function f(kind: 'CPU' | 'CUDA'): void {\n  switch (kind) {\n    case 'CPU':\n      f('CUDA')\n  }\n}\n",
    rules: ['@typescript-eslint/switch-exhaustiveness-check'],
  },
  {
    name: 'type imported as a value',
    file: 'src/sdk/d.ts',
    code: "import { Id } from './generated/schema.ts'\nexport type Name = Id\n",
    rules: ['@typescript-eslint/consistent-type-imports'],
  },
]

const root = fileURLToPath(new URL('../..', import.meta.url))
let copy: string
let reported: Map<string, string[]>

beforeAll(async () => {
  copy = await mkdtemp(join(tmpdir(), 'trainql-lint-'))
  for (const name of ['eslint.config.js', 'tsconfig.json', 'package.json'])
    await copyFile(join(root, name), join(copy, name))
  await symlink(join(root, 'node_modules'), join(copy, 'node_modules'), 'dir')
  const files = { ...landscape, ...Object.fromEntries(cases.map(({ file, code }) => [file, code])) }
  for (const [file, code] of Object.entries(files)) {
    await mkdir(dirname(join(copy, file)), { recursive: true })
    await writeFile(join(copy, file), code)
  }
  // Pages have a compiler configuration of their own.
  await writeFile(
    join(copy, 'src/web/tsconfig.json'),
    '{ "extends": "../../tsconfig.json", "include": ["."], "exclude": [] }\n',
  )
  const results = await new ESLint({ cwd: copy }).lintFiles(['src'])
  reported = new Map(
    results.map(({ filePath, messages }) => [
      filePath.slice(copy.length + 1),
      messages.map(({ ruleId, message }) => ruleId ?? message),
    ]),
  )
})

afterAll(() => rm(copy, { recursive: true, force: true }))

test.each(cases)('$name: $rules', ({ file, rules }) => {
  expect(reported.get(file)).toEqual(rules)
})

test('what the cases import is right by itself', () => {
  const own = new Set(cases.map(({ file }) => file))
  const rest = [...reported].filter(([file, rules]) => !own.has(file) && rules.length > 0)
  expect(rest).toEqual([])
  expect(reported.get('src/server/database/open.ts')).toEqual([])
})
