// The server's own log: one line an event on standard error, errors whole.
import { inspect } from 'node:util'

export interface Log {
  /** Of interest to whoever looks into one thing; written where the settings ask for it. */
  debug(message: string): void
  info(message: string): void
  warn(message: string): void
  /** Unknown errors with stack and cause. */
  error(message: string, error: unknown): void
}

export function createLog({ debug = false }: { debug?: boolean } = {}): Log {
  const line = (level: string, message: string): void => {
    process.stderr.write(`${new Date().toISOString()} ${level} ${message}\n`)
  }
  return {
    debug: (message) => {
      if (debug) line('debug', message)
    },
    info: (message) => line('info', message),
    warn: (message) => line('warn', message),
    error: (message, error) => line('error', `${message}\n${inspect(error, { depth: 5 })}`),
  }
}

/** Says nothing; for tests and for programs that print their own words. */
const nothing = (): void => undefined
export const silentLog: Log = { debug: nothing, info: nothing, warn: nothing, error: nothing }
