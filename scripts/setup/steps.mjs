// The steps of the set-up in order: what each depends on, what it leaves behind, how it is done.
//
// applies():       whether this clone has what the step works on
// inputs().key:    hash of everything that decides the result; none where the outputs tell by themselves
// missingOutput(): name of a result that is gone, or null
// run():           does it; resolves to a warning ({summary, detail}) when it could only be done in part
// cleans:          what a rebuild removes first
// mustNotDegrade:  under --strict that warning is an error
import { existsSync, readFileSync, rmdirSync, rmSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { basename, dirname, join, relative } from 'node:path'
import { CommandFailed, runCommand } from './command.mjs'
import { rootPath } from './places.mjs'
import { filesUnder, hashInputs } from './stamps.mjs'
import { findToolchain, installCommand, isComplete, missingParts, tryInstallToolchain } from './toolchain.mjs'

const inRepository = (path) => join(rootPath, path)
const exists = (path) => existsSync(inRepository(path))
const firstMissing = (paths) => paths.find((path) => !exists(path)) ?? null

const dependencies = {
  name: 'dependencies',
  title: 'dependencies',
  applies: () => exists('package-lock.json'),
  // What npm itself wrote about the installed tree is compared, so that an `npm install` by hand counts as done.
  missingOutput: differingPackage,
  run: async () => {
    const [npm, ...args] = npmCommand()
    await runCommand(npm, [...args, 'ci', '--ignore-scripts', '--include=dev', '--no-audit', '--no-fund'], {
      log: 'dependencies',
      fix: 'Check that the package registry answers (npm ping), then run the command again.',
    })
  },
}

const databaseClient = {
  name: 'database-client',
  title: 'database client',
  applies: () => exists('scripts/prisma-generate.mjs'),
  inputs: () => ({
    key: hashInputs(['prisma/schema.prisma', 'prisma.config.ts', 'scripts/prisma-generate.mjs', 'package-lock.json']),
  }),
  missingOutput: () => firstMissing(['src/server/prisma-client/client.ts']),
  cleans: ['src/server/prisma-client'],
  run: () =>
    runCommand(process.execPath, ['scripts/prisma-generate.mjs'], {
      log: 'database-client',
      fix: 'Correct prisma/schema.prisma where the log says, then run the command again.',
    }),
}

/** Of its own, so that the addon's key can be taken before it is built: an installed compiler is part of it. */
const compiler = {
  name: 'compiler',
  title: 'C++ compiler and CMake',
  applies: () => exists(addonSources),
  missingOutput: () => (isComplete(findToolchain()) ? null : missingParts(findToolchain())),
  run: async ({ note }) => {
    await tryInstallToolchain(note)
    const toolchain = findToolchain()
    if (isComplete(toolchain)) return undefined
    return {
      summary:
        `The native engine cannot be built: ${missingParts(toolchain)} missing. Runs use TensorFlow.js, about 100 ` +
        `times slower.\nTo get it: ${installCommand()}`,
    }
  },
}

const addonSources = 'native/CMakeLists.txt'
const addonFile = 'build/native/trainql.node'

const nativeEngine = {
  name: 'native-engine',
  title: 'native engine',
  applies: () => exists(addonSources) && isComplete(findToolchain()),
  inputs: () => {
    const { CXX, CXXFLAGS } = process.env
    const headers = ['node-addon-api', 'node-api-headers'].map(installedVersion)
    const toolchain = JSON.stringify(findToolchain())
    return { key: hashInputs(['native'], [process.platform, process.arch, CXX, CXXFLAGS, toolchain, ...headers]) }
  },
  missingOutput: () => firstMissing([addonFile]),
  cleans: ['build/native'],
  // The one step whose failure the rest can live with: TensorFlow.js trains instead.
  mustNotDegrade: true,
  run: async ({ note }) => {
    try {
      await buildAddon(note)
      return undefined
    } catch (error) {
      if (!(error instanceof CommandFailed)) throw error
      // An addon of other sources must not be loaded by this clone's code.
      rmSync(inRepository(addonFile), { force: true })
      return {
        summary:
          'The native engine did not compile; runs use TensorFlow.js, about 100 times slower. It is tried again when ' +
          `native/ or the compiler changes, or with --rebuild.\nThe whole log: ${error.logFile}`,
        detail: error.log.split('\n').slice(-15).join('\n'),
      }
    }
  },
}

async function buildAddon(note) {
  const { cmake, generator } = findToolchain()
  const log = { log: 'native-engine', fix: 'Correct what the compiler names.' }
  const configure = () =>
    runCommand(
      cmake,
      [
        '-S',
        'native',
        '-B',
        'build/native',
        '-DCMAKE_BUILD_TYPE=Release',
        ...(generator === 'ninja' ? ['-GNinja'] : []),
      ],
      log,
    )
  try {
    await configure()
  } catch (error) {
    if (!(error instanceof CommandFailed)) throw error
    // A build folder made elsewhere (a moved or copied clone) or by another generator cannot be configured again.
    rmSync(inRepository('build/native'), { recursive: true, force: true })
    await configure()
  }
  await runCommand(cmake, ['--build', 'build/native', '--parallel', String(availableParallelism())], {
    ...log,
    append: true,
    // "[ 42%] Building CXX object …/convolution.cc.o" becomes "[ 42%] convolution.cc.o".
    onLine: (line) => /^\[[ \d%/]+\]/.test(line) && note(line.replace(/^(\[.*?\]).*?([^/ ]+)$/, '$1 $2')),
  })
}

const server = {
  name: 'server',
  title: 'server, trainer and CLI',
  applies: () => exists('tsconfig.build.json'),
  inputs: () => ({ key: hashInputs([...builtSources(), 'tsconfig.json', 'tsconfig.build.json', 'package-lock.json']) }),
  missingOutput: () => firstMissing(builtSources().map(outputOf)),
  cleans: ['dist'],
  run: async ({ fresh }) => {
    // The compiler writes only what changed since its own record, so after an interrupted build, or with outputs
    // gone, that record must not be believed.
    if (fresh || server.missingOutput() !== null) rmSync(inRepository('dist/.tsbuildinfo'), { force: true })
    await runCommand(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'], {
      log: 'server',
      fix: 'Correct the type errors above, then run the command again.',
    })
    removeStaleOutputs()
  },
}

/** Sources that tsc turns into dist; pages are bundled by Vite. */
function builtSources() {
  return filesUnder(inRepository('src'))
    .map((file) => relative(rootPath, file))
    .filter((file) => /\.ts$/.test(file) && !/\.d\.ts$/.test(file) && !file.startsWith(join('src', 'web')))
}

const outputOf = (source) => source.replace(/^src/, 'dist').replace(/\.ts$/, '.js')

/** Outputs of sources that are gone would still be imported by a stale path. */
function removeStaleOutputs() {
  const wanted = new Set(builtSources().map(outputOf))
  for (const file of filesUnder(inRepository('dist'))) {
    const path = relative(rootPath, file)
    if (path.startsWith(pagesFolder) || basename(path) === '.tsbuildinfo') continue
    const output = path.replace(/\.d\.ts(\.map)?$|\.js\.map$/, '.js')
    if (wanted.has(output)) continue
    rmSync(file)
    removeEmptyFolders(dirname(file))
  }
}

function removeEmptyFolders(folder) {
  try {
    rmdirSync(folder)
  } catch {
    return
  }
  removeEmptyFolders(dirname(folder))
}

const pagesFolder = join('dist', 'web')
const viteConfig = 'src/web/playground/vite.config.ts'

const playground = {
  name: 'playground',
  title: 'playground',
  applies: () => exists(viteConfig),
  inputs: () => ({ key: hashInputs(['src/web', 'src/sdk', 'schema.graphql', 'package-lock.json']) }),
  missingOutput: () => firstMissing(['dist/web/playground/index.html']),
  cleans: [pagesFolder],
  run: () =>
    runCommand(process.execPath, ['node_modules/vite/bin/vite.js', 'build', '--config', viteConfig], {
      log: 'playground',
      fix: 'Correct what the bundler names in src/web/playground, then run the command again.',
    }),
}

export const steps = [dependencies, databaseClient, compiler, nativeEngine, server, playground]

/** npm as it was started with, or the one on the PATH. */
function npmCommand() {
  const started = process.env.npm_execpath
  if (started !== undefined && basename(started) === 'npm-cli.js') return [process.execPath, started]
  return process.platform === 'win32' ? ['npm.cmd'] : ['npm']
}

/** A package that the lock file asks for and the installed tree has not, or in another version; null when it is whole. */
function differingPackage() {
  let installed
  try {
    installed = JSON.parse(readFileSync(inRepository('node_modules/.package-lock.json'), 'utf8')).packages
  } catch {
    return 'node_modules'
  }
  const { packages: wanted } = JSON.parse(readFileSync(inRepository('package-lock.json'), 'utf8'))
  for (const [path, { version, optional, link }] of Object.entries(wanted)) {
    // Optional ones are for other systems as often as not.
    if (path === '' || optional || link) continue
    if (installed[path]?.version !== version) return `${path} ${version}`
  }
  return null
}

function installedVersion(name) {
  try {
    return JSON.parse(readFileSync(inRepository(`node_modules/${name}/package.json`), 'utf8')).version
  } catch {
    return 'missing'
  }
}
