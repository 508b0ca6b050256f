// Runs one program of a step, its output kept in a log that is shown only when it fails.
import { spawn } from 'node:child_process'
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { rootPath, stateFolder } from './places.mjs'

const shownLogLines = 40

/** What a person needs after a failure: the end of the log, where all of it is, what to do. */
export class CommandFailed extends Error {
  constructor(message, { log = '', logFile = null, fix }) {
    super(message)
    this.log = log
    this.logFile = logFile
    this.fix = fix
  }
}

let current = null

/**
 * Runs `command` in the repository; resolves when it ended well.
 * @param {{log: string, append?: boolean, fix: string, env?: Record<string, string>, onLine?: (line: string) => void}} options
 *   `log` names the log, `fix` says what to do when it fails, `onLine` sees each line of its output.
 */
export async function runCommand(command, args, { log, append = false, fix, env = {}, onLine }) {
  const logFile = join(stateFolder, `${log}.log`)
  const shown = [command, ...args].join(' ')
  if (append) appendFileSync(logFile, `\n$ ${shown}\n`)
  else writeFileSync(logFile, `$ ${shown}\n`)
  const child = spawn(command, args, {
    cwd: rootPath,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  current = child
  let partial = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      appendFileSync(logFile, chunk)
      if (onLine === undefined) return
      const lines = (partial + chunk).split(/\r?\n/)
      partial = lines.pop() ?? ''
      lines.forEach(onLine)
    })
  }
  const ended = await new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message))
    child.once('close', (code, signal) => resolve(signal ?? code))
  })
  current = null
  if (ended === 0) return
  throw new CommandFailed(`"${shown}" ended with ${ended}.`, {
    log: readFileSync(logFile, 'utf8').trimEnd().split('\n').slice(-shownLogLines).join('\n'),
    logFile: relative(process.cwd(), logFile),
    fix,
  })
}

/** Passes a signal on to the running program, if any. */
export function interruptCommand(signal) {
  current?.kill(signal)
}
