// What the documents promise: commands that exist, links that lead somewhere, GraphQL and TypeScript that are valid,
// settings that are read, and nothing of the machine they were written on.
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildSchema, parse, validate } from 'graphql'
import ts from 'typescript'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
const read = (path: string) => readFileSync(join(root, path), 'utf8')
/** Files that are, or are about to be, in the repository. */
const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { cwd: root })
  .toString()
  .split('\n')
  .filter((file) => file !== '' && existsSync(join(root, file)))
const documents = files.filter((file) => file.endsWith('.md'))
const packageJson = JSON.parse(read('package.json')) as { scripts: Record<string, string> }

test('there are documents to look at', () => {
  expect(documents).toEqual(expect.arrayContaining(['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'docs/api.md']))
  expect(blocks('graphql').length).toBeGreaterThanOrEqual(4)
  expect(blocks('ts').length).toBeGreaterThanOrEqual(1)
})

test('every npm script they name exists', () => {
  const builtIn = new Set(['test', 'start', 'ci', 'ping', 'install', 'run'])
  const named = documents.flatMap((file) =>
    [...read(file).matchAll(/\bnpm (?:run )?([a-z][\w:-]*)/g)].map(([, script = '']) => ({ file, script })),
  )
  expect(named.length).toBeGreaterThan(5)
  expect(named.filter(({ script }) => !(script in packageJson.scripts) && !builtIn.has(script))).toEqual([])
})

test('every file and heading they link to exists', () => {
  const broken = documents.flatMap((file) =>
    [...read(file).matchAll(/\]\(([^)\s]+)\)/g)]
      .map(([, target = '']) => target)
      .filter((target) => !/^https?:/.test(target))
      .filter((target) => {
        const [path = '', heading] = target.split('#')
        const linked = path === '' ? file : join(dirname(file), path)
        if (!existsSync(join(root, linked))) return true
        return heading !== undefined && !headings(linked).includes(heading)
      })
      .map((target) => `${file}: ${target}`),
  )
  expect(broken).toEqual([])
})

test('every path of ours in backticks exists', () => {
  const missing = documents.flatMap((file) =>
    [...read(file).matchAll(/`((?:src|test|bench|native|scripts|docs|examples|prisma)\/[\w./-]*\w\/?)`/g)]
      .map(([, path = '']) => path)
      .filter((path) => !existsSync(join(root, path)))
      .map((path) => `${file}: ${path}`),
  )
  expect(missing).toEqual([])
})

test.each(blocks('graphql'))('GraphQL in $file at line $line fits the schema', ({ code }) => {
  expect(validate(buildSchema(read('schema.graphql')), parse(code))).toEqual([])
})

test.each(blocks('ts'))(
  'TypeScript in $file at line $line compiles',
  ({ code }) => {
    expect(typeErrors(code)).toEqual([])
    // The check itself can fail.
    expect(typeErrors(`${code}\nclient.noSuchMethod()\n`)).toHaveLength(1)
  },
  180_000,
)

test('the settings in the README are those that are read', () => {
  const documented = new Set(read('README.md').match(/\b(?:TRAINQL_[A-Z_]+|DATABASE_URL|PORT)\b/g))
  const sources = files.filter(
    (file) => /^(src|scripts|bench|native)\//.test(file) && /\.(ts|tsx|mjs|cc|h)$/.test(file),
  )
  // Read from the environment of a process: process.env, getenv(3), or the server's own table of variables.
  const reads =
    /(?:env\.|env\[['"]|getenv\(")((?:TRAINQL_|DATABASE_URL|PORT\b)[A-Z_]*)|^ {2}((?:TRAINQL_|DATABASE_URL|PORT\b)[A-Z_]*): /gm
  const used = new Set(sources.flatMap((file) => [...read(file).matchAll(reads)].map(([, a, b]) => a ?? b ?? '')))
  expect([...documented].sort()).toEqual([...used].sort())
})

test('nothing in the repository names the machine or the registry it was written with', () => {
  const foreign =
    /\/(?:home|Users|root|work)\/|registry\.npmjs|registry\.yarnpkg|files\.pythonhosted|:\/\/[^/\s'"]*(?:artifactory|nexus|verdaccio)/
  const named = files
    .filter(
      (file) =>
        !/\.(?:png|ico|gz|br|pth|tar|ckpt|safetensors|wasm|bin)$/.test(file) && file !== 'test/house/documents.test.ts',
    )
    .flatMap((file) =>
      read(file)
        .split('\n')
        .flatMap((text, index) => (foreign.test(text) ? [`${file}:${index + 1}: ${text.trim().slice(0, 100)}`] : [])),
    )
  expect(named).toEqual([])
})

test('the license is the one that package.json states', () => {
  expect(JSON.parse(read('package.json'))).toMatchObject({ license: 'Apache-2.0' })
  expect(read('LICENSE')).toMatch(
    /^\s+Apache License\n +Version 2\.0, January 2004\n[\s\S]*END OF TERMS AND CONDITIONS/,
  )
})

interface Block {
  file: string
  line: number
  code: string
}

/** Fenced code of a language in every document. */
function blocks(language: string): Block[] {
  return documents.flatMap((file) => {
    const text = read(file)
    return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'gm'))].map((match) => ({
      file,
      line: text.slice(0, match.index).split('\n').length,
      code: match[1] ?? '',
    }))
  })
}

/** Anchors as the usual renderers make them from headings. */
function headings(file: string): string[] {
  return [...read(file).matchAll(/^#+ (.*)$/gm)].map(([, text = '']) =>
    text
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )
}

/** Type errors of a script that imports the SDK by the package's name, as a file beside the examples. */
function typeErrors(code: string): string[] {
  const config = ts.readConfigFile(join(root, 'tsconfig.json'), (path) => ts.sys.readFile(path)).config as object
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root)
  const name = join(root, 'examples/snippet.ts')
  const host = ts.createCompilerHost(options)
  const real = ts.createCompilerHost(options)
  host.fileExists = (file) => file === name || real.fileExists(file)
  host.getSourceFile = (file, ...rest) =>
    file === name ? ts.createSourceFile(file, code, ts.ScriptTarget.ES2023) : real.getSourceFile(file, ...rest)
  const program = ts.createProgram([name], options, host)
  const source = program.getSourceFile(name)
  return [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)].map(
    ({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'),
  )
}
