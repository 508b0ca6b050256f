// The C++ compiler, CMake and make that the native engine is built with: found, or installed where we may.
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { CommandFailed, runCommand } from './command.mjs'

/** What stands in for a package manager's name, per manager: how to install, and how to fetch its lists first. */
const packageManagers = [
  {
    program: 'apt-get',
    install: ['install', '-y', '--no-install-recommends', 'cmake', 'g++', 'make'],
    refresh: ['update'],
    env: { DEBIAN_FRONTEND: 'noninteractive' },
  },
  { program: 'dnf', install: ['install', '-y', 'cmake', 'gcc-c++', 'make'] },
  { program: 'apk', install: ['add', 'cmake', 'g++', 'make', 'linux-headers'] },
]

/**
 * Paths of what builds the addon, as far as they are there.
 * @returns {{cmake: string | null, compiler: string | null, generator: 'make' | 'ninja' | null}}
 */
export function findToolchain() {
  const compilers = [process.env.CXX?.split(' ')[0], 'c++', 'g++', 'clang++'].filter(Boolean)
  return {
    cmake: findProgram('cmake'),
    compiler: compilers.map(findProgram).find((path) => path !== null) ?? null,
    generator: findProgram('make') ? 'make' : findProgram('ninja') ? 'ninja' : null,
  }
}

export function isComplete({ cmake, compiler, generator }) {
  return cmake !== null && compiler !== null && generator !== null
}

/** The parts that are missing, in words. */
export function missingParts({ cmake, compiler, generator }) {
  const parts = [
    cmake === null && 'CMake',
    compiler === null && 'a C++17 compiler',
    generator === null && 'make',
  ].filter(Boolean)
  return parts.length < 2 ? parts.join('') : `${parts.slice(0, -1).join(', ')} and ${parts.at(-1)}`
}

/** The command a person would type to get the toolchain on this system. */
export function installCommand() {
  if (process.platform === 'darwin') return 'xcode-select --install && brew install cmake'
  const manager = packageManagers.find(({ program }) => findProgram(program) !== null)
  if (manager === undefined) return "your system's package manager, for the packages cmake, make and g++"
  const command = `${manager.program} ${manager.install.join(' ')}`
  return isRoot() ? command : `sudo ${command}`
}

/** Installs the toolchain when this process may (root, or sudo without a password). Says whether it tried and how it went. */
export async function tryInstallToolchain(note) {
  if (process.env.TRAINQL_SKIP_SYSTEM_PACKAGES) return false
  const manager = packageManagers.find(({ program }) => findProgram(program) !== null)
  if (manager === undefined) return false
  const prefix = isRoot() ? [] : findProgram('sudo') === null ? null : ['sudo', '-n']
  if (prefix === null) return false
  note(`installing CMake and a C++ compiler with ${manager.program}`)
  const run = (args, append) => {
    // sudo clears the environment, so the variables travel as arguments of env(1).
    const assignments = Object.entries(manager.env ?? {}).map(([name, value]) => `${name}=${value}`)
    const [command, ...rest] = [...prefix, 'env', ...assignments, manager.program, ...args]
    return runCommand(command, rest, { log: 'system-packages', append, fix: `Run: ${installCommand()}` })
  }
  try {
    await run(manager.install, false)
    return true
  } catch (error) {
    if (!(error instanceof CommandFailed)) throw error
  }
  if (manager.refresh === undefined) return false
  try {
    await run(manager.refresh, true)
    await run(manager.install, true)
    return true
  } catch (error) {
    if (!(error instanceof CommandFailed)) throw error
    return false
  }
}

/** Full path of a program, or null; a path that holds a slash is taken as it is. */
export function findProgram(name) {
  const candidates = name.includes('/')
    ? [name]
    : (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, name))
  const suffix = process.platform === 'win32' ? '.exe' : ''
  for (const candidate of candidates) {
    try {
      accessSync(candidate + suffix, constants.X_OK)
      return candidate + suffix
    } catch {
      // Not here: the next folder.
    }
  }
  return null
}

function isRoot() {
  return process.getuid?.() === 0
}
