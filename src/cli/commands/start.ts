// `trainql start`: the server in the foreground, its output and its exit code passed on.
import { spawn } from 'node:child_process'
import { delimiter } from 'node:path'
import { entryCommand } from '../../shared/entry.ts'
import { dataFolders } from '../data-folders.ts'
import { aborted, watchInterruption } from '../interruption.ts'
import type { StartPlan } from '../parse.ts'
import { serverEntry } from '../places.ts'

/** Resolves with the server's exit code once it has ended. @throws CliFailure where a folder of --data is not there */
export async function start(plan: StartPlan): Promise<number> {
  const environment = environmentOf(plan)
  const interruption = watchInterruption()
  const [command, ...args] = entryCommand(serverEntry)
  // In a group of its own, so that a Ctrl-C reaches it once, through us; the channel tells it when we are gone.
  const child = spawn(command, args, {
    detached: true,
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, ...environment },
  })
  void aborted(interruption.asked).then(() => child.kill('SIGTERM'))
  void aborted(interruption.forced).then(() => child.kill('SIGKILL'))
  try {
    return await new Promise<number>((resolve, reject) => {
      child.once('error', reject)
      child.once('exit', (code, signal) => resolve(code ?? (signal === 'SIGTERM' ? 143 : 137)))
    })
  } finally {
    interruption.dispose()
  }
}

function environmentOf({ port, host, home, data, drain }: StartPlan): Record<string, string> {
  return {
    ...(port === undefined ? {} : { PORT: String(port), TRAINQL_PORT: String(port) }),
    ...(host === undefined ? {} : { TRAINQL_HOST: host }),
    ...(home === undefined ? {} : { TRAINQL_HOME: home }),
    ...(data === undefined ? {} : { TRAINQL_DATA: dataFolders(data).join(delimiter) }),
    ...(drain === undefined ? {} : { TRAINQL_DRAIN_ON_EXIT: drain ? '1' : '0' }),
    // Who asks on the command line means it, whatever the environment says.
    ...(drain === true ? { TRAINQL_STOP_TRAINERS_ON_EXIT: '0' } : {}),
  }
}
